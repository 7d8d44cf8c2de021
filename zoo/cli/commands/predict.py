"""`zoo predict`: classify pictures with a trained run."""

from __future__ import annotations

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, PICTURES, RUN
from zoo.cli.views.pages import report_skipped
from zoo.runs.find import load


@click.command("predict", cls=Command)
@RUN
@PICTURES
@DEVICE
@click.pass_obj
def predict_command(screen: Screen, /, run: str, pictures: tuple[str, ...], device: str) -> int:
    """Classify pictures, and all pictures in folders; print class and probability.

    RUN is a run folder, or an entry (its newest finished run).
    """
    from zoo.evaluation.predict import predict

    opened = load(run)
    screen.note(f"{opened.path}, trained on {opened.entry.data.name}")
    found = predict(opened, pictures, device)
    if screen.json:
        predictions = [row._asdict() for row in found.predictions]
        screen.document({"predictions": predictions, "skipped": [row._asdict() for row in found.skipped]})
    elif found.predictions:
        rows = [(row.path, row.label, f"{row.probability:.4f}") for row in found.predictions]
        screen.table(["picture", "class", "probability"], rows, right=[2])
    return report_skipped(screen, found.skipped, done=bool(found.predictions))
