"""`zoo report`: one page of HTML about a run, a study or a comparison."""

from __future__ import annotations

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE
from zoo.display.format import format_bytes


@click.command("report", cls=Command)
@click.argument("run", metavar="RUN|STUDY|COMPARISON")
@click.option("-o", "--out", metavar="FILE.html", help="File to write; default report.html in the folder.")
@DEVICE
@click.pass_obj
def report_command(screen: Screen, /, run: str, out: str | None, device: str) -> None:
    """Write one page of HTML about a run, a study or a comparison.

    The page needs no other file and no network: options, curves, metrics and samples of a run; history, front and
    failures of a study; the table of a comparison. RUN is a run folder, or an entry (its newest finished run).
    """
    from zoo.reporting.report import report

    notes: list[str] = []
    path = report(run, out, device, notes.append)
    size = path.stat().st_size
    if screen.json:
        return screen.document({"report": str(path), "bytes": size, "notes": notes})
    for note in notes:
        screen.note(note)
    return screen.line(f"wrote {path} ({format_bytes(size)})")
