"""`zoo studies`: the studies with their state and best trial."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.views.study import study_document
from zoo.tuning.study import STUDY_HEADS, STUDY_RIGHT, study_row


@click.command("studies", cls=Command)
@click.option("--storage", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the studies; default runs.")
@click.pass_obj
def studies_command(screen: Screen, /, storage: Path | None) -> None:
    """List studies with their state and best trial."""
    from zoo.tuning.study_folder import studies as studies_run

    studies, problems = studies_run(storage)
    if screen.json:
        rows = [study_document(study) | {"name": study.name, "budget": study.spec.trials} for study in studies]
        return screen.document({"studies": rows, "problems": problems})
    if studies:
        screen.table(STUDY_HEADS, [study_row(study) for study in studies], right=STUDY_RIGHT)
    elif not problems:
        screen.note("no studies yet; start one with: zoo tune ENTRY")
    for removed in filter(None, (study.removed_note for study in studies)):
        screen.note(f"note: {removed}")
    for problem in problems:
        screen.note(f"skipped: {problem}")
    return None
