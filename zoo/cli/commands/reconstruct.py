"""`zoo reconstruct`: pictures beside what a generator decodes from their codes."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import RUN, page_options, refuse_typed
from zoo.cli.views.pages import NOT_WRITTEN, check_out, report_skipped, show_page, write_page
from zoo.runs.find import load


@click.command("reconstruct", cls=Command)
@RUN
@click.argument("pictures", metavar="[PICTURE|FOLDER]...", nargs=-1)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    default=32,
    metavar="N",
    help="Number of test pictures to use if none are named.",
    show_default=True,
)
@page_options
@click.pass_obj
def reconstruct_command(
    screen: Screen,
    /,
    run: str,
    pictures: tuple[str, ...],
    count: int,
    device: str,
    out: str | None,
    **files: Any,
) -> int:
    """Encode and decode pictures; show originals above reconstructions, and how far apart they are.

    A picture may also be test:12, that picture of the test split. Without pictures the first of the test split are
    used. RUN is a run folder, or an entry (its newest finished run).
    """
    from zoo.generation.reconstruct import reconstruct

    check_out(out)
    if pictures:
        refuse_typed("count", "where pictures are named", "drop it, or the pictures")
    opened = load(run, pictures=pictures)
    found = reconstruct(opened, pictures, count, device)
    done = len(found.pictures) > 0
    written = write_page(found, opened.results / "reconstructions", out, **files) if done else NOT_WRITTEN
    about = {"run": opened.label, **written, "pictures": len(found.pictures), "psnr": found.psnr, "mse": found.mse}
    show_page(screen, about | {"skipped": [row._asdict() for row in found.skipped]}, ("psnr", "mse"))
    return report_skipped(screen, found.skipped, pictures, done=done)
