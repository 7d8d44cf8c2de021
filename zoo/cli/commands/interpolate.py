"""`zoo interpolate`: interpolate between two pictures through their codes."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import RUN, page_options
from zoo.cli.views.pages import check_out, show_page, write_page
from zoo.runs.find import load


@click.command("interpolate", cls=Command)
@RUN
@click.argument("start", metavar="A")
@click.argument("goal", metavar="B")
@click.option(
    "--steps", type=click.IntRange(2), default=9, metavar="N", help="Number of pictures in the row.", show_default=True
)
@page_options
@click.pass_obj
def interpolate_command(
    screen: Screen, /, run: str, start: str, goal: str, steps: int, device: str, out: str | None, **files: Any
) -> None:
    """Interpolate linearly between the codes of two pictures, and show the results in one row.

    A and B are picture files, or test:12 for that picture of the test split. The interpolation is between the means of
    their codes, whatever the prior. RUN is a run folder, or an entry (its newest finished run).
    """
    from zoo.generation.reconstruct import interpolate

    check_out(out)
    opened = load(run, pictures=(start, goal))
    found = interpolate(opened, start, goal, steps, device)
    written = write_page(found, opened.results / "interpolations", out, **files)
    show_page(screen, {"run": opened.label, **written, "pictures": len(found.pictures), "ends": list(found.names)})
