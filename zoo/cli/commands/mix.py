"""`zoo mix`: a page of pictures from one prompt to another."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import RUN, sampling_options
from zoo.cli.views.pages import check_distinct, check_out, show_page, write_page
from zoo.runs.find import load


@click.command("mix", cls=Command)
@RUN
@click.argument("start", metavar="A")
@click.argument("goal", metavar="B")
@click.option("--steps", type=click.IntRange(2), default=9, metavar="N", help="Pictures per row.", show_default=True)
@click.option("-n", "rows", type=click.IntRange(1), default=8, metavar="N", help="Rows.", show_default=True)
@sampling_options
@click.pass_obj
def mix_command(
    screen: Screen,
    /,
    run: str,
    start: str,
    goal: str,
    out: str | None,
    tensors: str | None,
    separate: bool,
    **options: Any,
) -> None:
    """Sample pictures from prompt A to prompt B in even steps.

    Each row uses the same noise with changing weights. RUN is a run folder, or an entry (its newest finished run).
    """
    from zoo.generation.sample import mix

    check_out(out)
    check_distinct(out=out, tensors=tensors)
    opened = load(run)
    found = mix(opened, start, goal, **options)
    written = write_page(found, opened.results / "mixes", out, tensors, separate)
    about = {"run": opened.label, **written, "pictures": len(found.pictures), "ends": list(found.ends)}
    show_page(screen, about | {key: value for key, value in options.items() if key != "device"})
