"""`zoo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, DEVICE, NAME, OVERRIDES, REGISTRY, TRACK, read_words, refuse_typed
from zoo.cli.usage import TYPED_WORDS
from zoo.cli.views.pages import check_out
from zoo.cli.views.progress import progress_callback
from zoo.core.errors import JobError, ZooError
from zoo.display.format import format_value
from zoo.registry.data_source import with_data
from zoo.registry.entry import Entry
from zoo.registry.overrides import refuse_without_effect, with_option
from zoo.registry.raw_entry import typed_options
from zoo.registry.unused import refuse_unused
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
@click.option(
    "--out",
    metavar="DIR|FILE.png",
    help="Run folder; default runs/NAME-1, then -2 and so on. With --find-lr the plot; default NAME-lr.png.",
)
@click.option(
    "--find-lr",
    is_flag=True,
    help="Train for 150 steps while the learning rate grows, suggest one and plot the loss; no run is left.",
)
@click.option("--stage", metavar="NAME", help="With --find-lr: the stage; default the first.")
@DEVICE
@click.option("--fresh", is_flag=True, help="Start a new run even if there is an unfinished one.")
@TRACK
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
    find_lr: bool,
    stage: str | None,
    **options: Any,
) -> None:
    """Train an entry, or resume its unfinished run.

    KEY=VALUE sets an option for this run, e.g. train.epochs=10; `zoo show NAME --options` lists them. train.epochs=+10
    goes on with a finished run, in a new folder.
    """
    words = with_data(*read_words(screen, data, overrides))
    words = with_option("--seed", seed, "train.seed", words)
    entry = choose_entry(name, words, init_from, options["registries"])
    if find_lr:
        return search_rate(screen, entry, words, stage, options)
    if stage is not None:
        raise ZooError("--stage has no effect without --find-lr", "set train.stages.NAME.OPTION=VALUE")
    from zoo.training.train import train

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


def search_rate(screen: Screen, entry: Entry, words: list[str], stage: str | None, options: dict[str, Any]) -> None:
    """Find a learning rate, draw the plot, and print the rate and the command that uses it."""
    refuse_typed("fresh", "with --find-lr", "it leaves no run")
    refuse_typed("callbacks", "with --find-lr", "it leaves no run")
    path = options["out"] or f"{entry.name}-lr.png"
    check_out(path, "plot", "--out")
    if rates := [key for key in typed_options(words) if key.split(".")[0] == "train" and key.endswith(".lr")]:
        raise ZooError(f"{rates[0]} has no effect with --find-lr", "leave it out")
    refuse_without_effect(words, ["tune"], "a training", "it is for zoo tune")
    refuse_unused(entry, typed_options(words))

    from zoo.cli.views.rates import command_with_rate, draw_sweep, sweep_document
    from zoo.models.device import choose_device
    from zoo.registry.blame import model_errors
    from zoo.training.find_lr import find_rate

    with progress_callback(entry, screen) as callback, model_errors(entry, "training"):
        found = find_rate(entry, stage, choose_device(options["device"]), callback)
    if not found.losses:
        raise JobError("the loss is not finite from the first step on", "set train.precision=float32")
    plot = draw_sweep(entry.name, found, Path(path))
    typed = click.get_current_context().meta[TYPED_WORDS]
    command = None if found.suggested is None else command_with_rate(typed, found)
    if screen.json:
        return screen.document(sweep_document(found, command, plot))
    if command is None:
        screen.line("the loss fell at no learning rate, so none is suggested")
    else:
        between = "between the rates where the loss falls fastest and where it is lowest"
        screen.line(f"{found.option}={found.suggested:g} lies {between}")
        screen.note(f"next: {command}")
    screen.note(f"plot: {plot}")
    return None
