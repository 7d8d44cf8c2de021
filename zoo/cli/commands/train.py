"""`zoo train`."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, DEVICE, NAME, OVERRIDES, REGISTRY, read_words
from zoo.cli.views.progress import progress_callback
from zoo.display.format import format_value
from zoo.registry.data_source import with_data
from zoo.registry.overrides import with_option
from zoo.training.start import choose_entry


@click.command("train", cls=Command)
@NAME
@OVERRIDES
@DATA
@click.option(
    "--from",
    "init_from",
    metavar="RUN",
    help="Start from the weights of a run, an entry, a study, a .zip file that zoo push wrote, or hf:USER/NAME.",
)
@click.option("--seed", type=int, metavar="N", help="Seed for the weights, the order of the pictures and augmentation.")
@click.option("--out", metavar="DIR", help="Run folder; default runs/NAME-1, then -2 and so on.")
@DEVICE
@click.option("--fresh", is_flag=True, help="Start a new run even if there is an unfinished one.")
@REGISTRY
@click.pass_obj
def train_command(
    screen: Screen,
    /,
    name: str,
    overrides: tuple[str, ...],
    data: str | None,
    init_from: str | None,
    seed: int | None,
    **options: Any,
) -> None:
    """Train an entry, or resume its unfinished run.

    KEY=VALUE sets an option for this run, e.g. train.epochs=10; `zoo show NAME --options` lists them. train.epochs=+10
    goes on with a finished run, in a new folder.
    """
    from zoo.training.train import train

    words = with_data(*read_words(screen, data, overrides))
    words = with_option("--seed", seed, "train.seed", words)
    entry = choose_entry(name, words, init_from, options["registries"])
    with progress_callback(entry, screen) as callback:
        done = train(name, *words, init_from=init_from, callback=callback, **options)
    if screen.json:
        result = {"run": str(done.run), "epochs": done.epochs, "metrics": done.metrics}
        return screen.document(result | {"weights_sha256": done.weights_sha256})
    figures = ", ".join(f"{key} {format_value(value)}" for key, value in done.metrics.items())
    screen.line(
        f"{done.run}: {done.epochs} epoch{'s' * (done.epochs != 1)}" + (f"; validation {figures}" if figures else "")
    )
    screen.note(f"weights sha256 {done.weights_sha256[:12]}; next: zoo evaluate {done.run}")
    return None
