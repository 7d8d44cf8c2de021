"""`zoo sample`: a page of pictures sampled for prompts."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import RUN, sampling_options
from zoo.cli.views.pages import check_distinct, check_out, show_page, write_page
from zoo.runs.find import load


@click.command("sample", cls=Command)
@RUN
@click.argument("prompts", metavar="[PROMPT]...", nargs=-1)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help="Number of pictures; default 64, or a few more to fill the rows.",
)
@click.option(
    "--negative", metavar="TEXT", default="", help="What guidance leads away from, a prompt too; default no text."
)
@sampling_options
@click.pass_obj
def sample_command(
    screen: Screen,
    /,
    run: str,
    prompts: tuple[str, ...],
    count: int | None,
    out: str | None,
    tensors: str | None,
    separate: bool,
    **options: Any,
) -> None:
    """Sample pictures from a generator onto one page.

    If its prior takes prompts, there is a row per prompt, or per class without a PROMPT. A PROMPT is a text, e.g.
    "cat", or several with weights, e.g. "cat + truck", "0.7 cat + 0.3 truck" or "cat - 0.5 dog"; weights are relative
    to each other. A text in double quotes may contain signs and numbers. RUN is a run folder, or an entry (its newest
    finished run).
    """
    from zoo.generation.sample import sample

    check_out(out)
    check_distinct(out=out, tensors=tensors)
    opened = load(run)
    found = sample(opened, prompts, count, **options)
    written = write_page(found, opened.results / "samples", out, tensors, separate)
    about = {"run": opened.label, **written, "pictures": len(found.pictures), "labels": list(found.labels)}
    show_page(
        screen,
        about | {key: value for key, value in options.items() if key != "device" and (value or key != "negative")},
    )
