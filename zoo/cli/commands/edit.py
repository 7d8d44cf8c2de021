"""`zoo edit`: pictures under another text."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, GUIDANCE, PICTURES, RUN
from zoo.cli.views.pages import NOWHERE, OUT, SEPARATE, TENSORS, check_out, keep, leave_out, show
from zoo.runs.find import load


@click.command("edit", cls=Command)
@RUN
@PICTURES
@click.option("--to", required=True, metavar="PROMPT", help="What they are to show, as dog or 0.5 cat + 0.5 dog.")
@click.option("--from", "source", metavar="PROMPT", help="What they show now; without it nothing is said of that.")
@click.option(
    "--strength", type=float, default=1.0, metavar="S", help="How far to go; 0 reconstructs.", show_default=True
)
@GUIDANCE
@OUT
@TENSORS
@SEPARATE
@DEVICE
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
    """Pictures above what becomes of them under another text.

    Their codes go to the base of the flow under one text and back under another, so that what is said by neither
    stays. A picture may also be test:12, for that one of the test split. RUN is a run folder, or an entry for its
    newest finished run.
    """
    from zoo.generation.edit import edit

    check_out(out)
    path = load(run).path
    found = edit(path, pictures, **options)
    done = len(found.pictures) > 0
    written = keep(found, path / "edits", out, tensors, separate) if done else NOWHERE
    about = {"run": str(path), **written, "pictures": len(found.pictures), "names": list(found.names)}
    about |= {"to": options["to"], "from": options["source"]}
    about |= {key: options[key] for key in ("strength", "guidance")}
    show(screen, about | {"skipped": [row._asdict() for row in found.skipped]})
    return leave_out(screen, found.skipped, done=done)
