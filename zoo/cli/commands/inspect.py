"""`zoo inspect`: look a data set over before training."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, OVERRIDES, refuse_typed
from zoo.core.errors import ZooError

MOST_CLASSES = 30
"""Classes that the table shows."""


@click.command("inspect", cls=Command)
@click.argument("data", metavar="KIND|PATH")
@OVERRIDES
@click.option("--run", metavar="RUN", help="A classifier of the same classes, which finds doubtful labels.")
@click.option("-o", "--out", metavar="DIR", default="inspection", show_default=True, help="Folder for the pages.")
@DEVICE
@click.pass_obj
def inspect_command(
    screen: Screen, /, data: str, overrides: tuple[str, ...], run: str | None, out: str, device: str
) -> None:
    """Inspect data before training: duplicates, leaks between splits, odd pictures, balance, doubtful labels.

    Pictures are compared as a model sees them. Pages of samples, duplicates, odd pictures and doubtful labels are
    written to DIR, with a table of all findings.
    """
    from zoo.inspection.inspect import inspect
    from zoo.inspection.pages import write_inspection

    if (folder := Path(out)).exists() and not folder.is_dir():
        raise ZooError(f"{out} is a file", "name a folder with -o")
    if run is None:
        refuse_typed("device", "without --run, since only a classifier needs one", "add --run RUN, or leave it out")
    found = inspect(data, *overrides, run=run, device=device)
    files = [str(path) for path in write_inspection(found, folder)]
    if screen.json:
        return screen.document(found.to_dict() | {"files": files})
    for line in found.notes:
        screen.line(line)
    if 1 < len(found.classes) <= MOST_CLASSES:
        heads = ["class", *found.counts]
        rows = zip(found.classes, *found.counts.values(), strict=True)
        screen.table(heads, [(name, *(f"{count:,}" for count in counts)) for name, *counts in rows], right=[1, 2, 3])
    for line in found.summary():
        screen.line(line)
    for path in files:
        screen.line(f"wrote {path}")
    return None
