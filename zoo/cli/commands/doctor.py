"""`zoo doctor`: one line per finding, and whether the zoo works here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.doctor import contents, machine
from zoo.cli.doctor.finding import Check, Finding, run_check
from zoo.core.errors import one_line

CHECKS: dict[str, Check] = {
    "python": machine.check_python,
    "console": machine.check_console,
    "packages": contents.check_packages,
    "extras": contents.check_extras,
    "folders": machine.check_folders,
    "shared memory": machine.check_shared_memory,
    "cores": machine.check_cores,
    "torch": machine.check_torch,
    "compiler": machine.check_compiler,
    "ray": machine.check_ray,
    "plugins": contents.check_plugins,
    "registry": contents.check_registries,
    "entries": contents.check_entries,
    "weights": contents.check_weights,
    "data": contents.check_data,
    "training step": machine.check_training_step,
}
"""Checks by area; those that explain others come first."""
STATE = len("problem") + 2
AREA = max(map(len, CHECKS)) + 2
STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


@click.command("doctor", cls=Command)
@click.pass_obj
def doctor_command(screen: Screen, /) -> int:
    """Check everything the zoo needs, and report what is missing and how to fix it.

    The exit code is 0 if the zoo can work, even with notes; otherwise that of the worst problem: 4 for something
    missing or broken, 7 for folders and disks.
    """
    found = []
    for area, finding in run_checks():
        found.append((area, finding))
        if not screen.json:
            print_finding(screen, area, finding)
    code = max(finding.code for _, finding in found)
    if screen.json:
        rows = [
            {"area": area, "state": each.state, "text": each.text, "todo": each.todo, "code": each.code, **each.about}
            for area, each in found
        ]
        screen.document({"works": not code, "code": code, "findings": rows})
    else:
        screen.line(summary([area for area, each in found if each.state == "problem"], [each for _, each in found]))
    return code


def print_finding(screen: Screen, area: str, finding: Finding) -> None:
    """Print one finding."""
    if not screen.rich(sys.stdout):
        print(f"{finding.state:{STATE}}{area:{AREA}}{one_line(str(finding))}")
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid()
    grid.add_column(width=STATE)
    grid.add_column(width=AREA)
    grid.add_column(overflow="fold")
    grid.add_row(Text(finding.state, STYLES[finding.state]), Text(area), Text(one_line(str(finding))))
    screen.console(sys.stdout).print(grid)


def summary(areas: Sequence[str], found: Sequence[Finding]) -> str:
    """Summarise whether the zoo works here, and the number of problems and notes."""
    notes = sum(finding.state == "note" for finding in found)
    more = f", {notes} note{'s' * (notes != 1)}" if notes else ""
    if not areas:
        return f"the zoo works here{more}"
    return f"{len(areas)} problem{'s' * (len(areas) != 1)} ({', '.join(dict.fromkeys(areas))}){more}"


def run_checks() -> Iterator[tuple[str, Finding]]:
    """Run all checks, and yield each finding with its area."""
    for name, check in CHECKS.items():
        for finding in run_check(check):
            yield name, finding
