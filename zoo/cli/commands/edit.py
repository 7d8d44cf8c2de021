"""`zoo edit`: pictures under another text."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import GUIDANCE, PICTURES, RUN, page_options, refuse_typed
from zoo.cli.views.pages import NOT_WRITTEN, check_distinct, check_out, report_skipped, show_page, write_page
from zoo.runs.find import load


@click.command("edit", cls=Command)
@RUN
@PICTURES
@click.option(
    "--to", required=True, metavar="PROMPT", help="What the pictures should show, e.g. dog or 0.5 cat + 0.5 dog."
)
@click.option("--from", "source", metavar="PROMPT", help="What the pictures show now; default: no text.")
@click.option(
    "--strength",
    type=float,
    default=1.0,
    metavar="S",
    help="Strength of the edit; 0 only reconstructs.",
    show_default=True,
)
@GUIDANCE
@page_options
@click.pass_obj
def edit_command(
    screen: Screen,
    /,
    run: str,
    pictures: tuple[str, ...],
    out: str | None,
    tensors: str | None,
    separate: bool,
    **options: Any,
) -> int:
    """Edit pictures by giving them another text; show originals above the results.

    Codes are mapped to the base of the flow under one text and back under another, which preserves whatever neither
    text mentions. A picture may also be test:12, that picture of the test split. RUN is a run folder, or an entry (its
    newest finished run).
    """
    from zoo.generation.edit import edit

    if options["strength"] == 0:
        refuse_typed("guidance", "with --strength 0, which only reconstructs", "leave one of the two out")
    check_out(out)
    check_distinct(out=out, tensors=tensors)
    opened = load(run, pictures=pictures)
    found = edit(opened, pictures, **options)
    done = len(found.pictures) > 0
    written = write_page(found, opened.results / "edits", out, tensors, separate) if done else NOT_WRITTEN
    about = {"run": opened.label, **written, "pictures": len(found.pictures), "names": list(found.names)}
    about |= {"to": options["to"], "from": options["source"]}
    about |= {key: options[key] for key in ("strength", "guidance")}
    show_page(screen, about | {"skipped": [row._asdict() for row in found.skipped]})
    return report_skipped(screen, found.skipped, pictures, done=done)
