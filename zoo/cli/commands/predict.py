"""`zoo predict`, `zoo bench` and `zoo schema`."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, NAME, OVERRIDES, REGISTRY, RUN
from zoo.cli.views.pages import leave_out
from zoo.display.format import figure
from zoo.registry.listing import schema
from zoo.runs.find import load


@click.command("predict", cls=Command)
@RUN
@click.argument("pictures", metavar="PICTURE|FOLDER...", nargs=-1, required=True)
@DEVICE
@click.pass_obj
def predict_command(screen: Screen, /, run: str, pictures: tuple[str, ...], device: str) -> int:
    """Class and probability of pictures, and of all pictures in folders.

    RUN is a run folder, or an entry for its newest finished run.
    """
    from zoo.evaluation.predict import predict

    opened = load(run)
    screen.note(f"{opened.path}, trained on {opened.entry.data.name}")
    found = predict(opened.path, pictures, device)
    if screen.json:
        predictions = [row._asdict() for row in found.predictions]
        screen.document({"predictions": predictions, "skipped": [row._asdict() for row in found.skipped]})
    elif found.predictions:
        rows = [(row.path, row.label, f"{row.probability:.4f}") for row in found.predictions]
        screen.table(["picture", "class", "probability"], rows, right=[2])
    return leave_out(screen, found.skipped, done=bool(found.predictions))


@click.command("bench", cls=Command)
@NAME
@OVERRIDES
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    metavar="N",
    default=20.0,
    help="Seconds for both loops together.",
    show_default=True,
)
@DEVICE
@REGISTRY
@click.pass_obj
def bench_command(screen: Screen, /, name: str, overrides: tuple[str, ...], **options: Any) -> None:
    """Training speed of an entry, beside a plain PyTorch loop of the same model, in alternation."""
    from zoo.training.bench import bench

    found = bench(name, *overrides, **options)
    if screen.json:
        return screen.document(found)
    rows = [(key.replace("_", " "), figure(value)) for key, value in found.items()]
    return screen.table(["figure", "value"], rows)


@click.command("schema", cls=Command, json=False)
@click.pass_obj
def schema_command(screen: Screen, /) -> None:
    """The JSON schema of registry.yaml: zoo schema > registry.schema.json."""
    screen.document(schema())
