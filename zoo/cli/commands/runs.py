"""`zoo runs`: list, remove and rename runs."""

from __future__ import annotations

import sys

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.core.errors import ZooError
from zoo.runs.listing import RUN_HEADS, RUN_RIGHT, list_runs

ACTIONS = ("list", "rm", "mv", "prune")


@click.command("runs", cls=Command)
@click.argument("action", type=click.Choice(ACTIONS), default="list", required=False)
@click.argument("run", metavar="[RUN]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="With rm and prune: only show what would be removed.")
@click.option("--yes", is_flag=True, help="With prune: do not ask.")
@click.pass_obj
def runs_command(screen: Screen, /, action: str, run: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """List the runs below `runs`, or remove or rename some of them.

    `zoo runs rm RUN...` removes runs, studies and comparisons. `zoo runs mv RUN NAME` renames one. `zoo runs prune`
    removes the runs that diverged or were interrupted. What another process uses is left alone.
    """
    check_arguments(action, run, dry_run=dry_run, yes=yes)
    if action == "list":
        return show_runs(screen)
    if action == "mv":
        return rename(screen, *run)
    return remove(screen, action, list(run), dry_run=dry_run, yes=yes)


def check_arguments(action: str, runs: tuple[str, ...], *, dry_run: bool, yes: bool) -> None:
    """Raise ZooError for names and options that an action does not take."""
    if action in ("list", "prune") and runs:
        raise ZooError(f"zoo runs {action} takes no names", f"to remove {runs[0]}: zoo runs rm {runs[0]}")
    if action == "rm" and not runs:
        raise ZooError("no runs to remove", "name them, as in: zoo runs rm cnn-1")
    if action == "mv" and len(runs) != 2:
        raise ZooError("renaming takes the run and its new name", "as in: zoo runs mv cnn-1 best")
    if dry_run and action not in ("rm", "prune"):
        raise ZooError(f"--dry-run has no effect on zoo runs {action}")
    if yes and action != "prune":
        raise ZooError(f"--yes has no effect on zoo runs {action}")


def show_runs(screen: Screen) -> None:
    """Print the runs, newest last among those of an entry."""
    found, problems = list_runs()
    if screen.json:
        return screen.document({"runs": [info.to_dict() for info in found], "problems": problems})
    if found:
        screen.table(RUN_HEADS, [info.row for info in found], right=RUN_RIGHT)
    else:
        screen.note("no runs yet; train one with: zoo train ENTRY")
    for problem in problems:
        screen.note(f"note: {problem}")
    return None


def rename(screen: Screen, old: str, new: str) -> None:
    """Rename a run and print its new path."""
    from zoo.runs.manage import rename_run

    path = rename_run(old, new)
    if screen.json:
        return screen.document({"run": str(path)})
    return screen.line(str(path))


def remove(screen: Screen, action: str, names: list[str], *, dry_run: bool, yes: bool) -> None:
    """Remove runs and print their paths."""
    from zoo.runs.manage import remove_runs, useless_runs

    if action == "prune":
        names = useless_runs()
        if names and not dry_run and not yes:
            if not sys.stdin.isatty():
                raise ZooError(f"nobody can be asked whether to remove {', '.join(names)}", "add --yes, or --dry-run")
            click.confirm(f"remove {', '.join(names)}?", abort=True, err=True)
    paths = remove_runs(names, dry_run=dry_run)
    if screen.json:
        return screen.document({"removed": [str(path) for path in paths], "dry_run": dry_run})
    for path in paths:
        screen.line(f"{'would remove' if dry_run else 'removed'} {path}")
    if not paths:
        screen.note("nothing to remove: no run diverged or was interrupted")
    return None
