"""`zoo bench`: the training speed of an entry compared with a plain PyTorch loop."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, DEVICE, NAME, OVERRIDES, REGISTRY, read_words
from zoo.display.format import format_value
from zoo.registry.data_source import with_data


@click.command("bench", cls=Command)
@NAME
@OVERRIDES
@DATA
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    metavar="N",
    default=20.0,
    help="About how many seconds it takes, compilation apart.",
    show_default=True,
)
@DEVICE
@REGISTRY
@click.pass_obj
def bench_command(screen: Screen, /, name: str, overrides: tuple[str, ...], data: str | None, **options: Any) -> None:
    """Measure an entry's training speed against a plain PyTorch loop of the same model.

    The two loops take turns, so that both see the same load of the machine.
    """
    from zoo.training.bench import bench

    found = bench(name, *with_data(*read_words(screen, data, overrides)), **options).to_dict()
    if screen.json:
        return screen.document(found)
    rows = [(key.replace("_", " "), format_value(value)) for key, value in found.items()]
    return screen.table(["figure", "value"], rows)
