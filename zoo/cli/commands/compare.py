"""`zoo compare`: the table of variants, with the spread over seeds."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, DEVICE, NAME, OVERRIDES, REGISTRY, TRACK, read_words
from zoo.cli.views.progress import ProgressLines, progress_callback
from zoo.core.errors import InterruptedRun, JobError, ZooError, did_you_mean
from zoo.core.splits import SPLITS
from zoo.evaluation.compare.callbacks import CompareCallback
from zoo.evaluation.compare.folder import TABLE
from zoo.evaluation.compare.result import DEFAULT_COLUMNS, END_STATES, FAILURE_HEADS, Comparison
from zoo.registry.data_source import with_data
from zoo.registry.entry import Entry


@click.command("compare", cls=Command)
@NAME
@OVERRIDES
@DATA
@click.option("--seeds", type=click.IntRange(1), default=1, metavar="N", help="Number of seeds per variant; default 1.")
@click.option(
    "--folds", type=click.IntRange(2), metavar="K", help="Cross-validate over K parts of the training pictures."
)
@click.option("--minutes", type=float, metavar="M", help="Minutes per training, instead of the entry's epochs.")
@click.option("--split", type=click.Choice(SPLITS[::-1]), default="test", help="Split to use: test, valid or train.")
@click.option("--figures", metavar="NAMES", help="Figures to show, e.g. loss,accuracy; or all.")
@click.option("--fresh", is_flag=True, help="Start a new comparison even if there is one.")
@click.option("--name", "comparison", metavar="NAME", help="Name of the comparison; default NAME-compare.")
@DEVICE
@TRACK
@REGISTRY
@click.pass_obj
def compare_command(
    screen: Screen,
    /,
    name: str,
    overrides: tuple[str, ...],
    data: str | None,
    figures: str | None,
    **options: Any,
) -> None:
    """Train variants of an entry under equal conditions, and compare their evaluations.

    KEY=A,B,C varies an option, e.g. model.norm=none,before,after; several of these give every combination. KEY=VALUE
    sets an option for all variants, which are trained one after another. Repeat the command to resume, also with more
    values or seeds. With --folds each variant, or the entry alone, is trained once without each part and evaluated on
    it; the test split is not used.
    """
    from zoo.evaluation.compare import compare as comparison

    words = with_data(*read_words(screen, data, overrides))
    callback = CompareLines(screen)
    try:
        found = comparison.compare(name, *words, callback=callback, **options)
    except (InterruptedRun, JobError):
        if callback.found and any(run.state in END_STATES for run in callback.found.runs):
            show_first(screen, callback.found)
        raise
    try:
        names = choose_figures(found, figures)
    except ZooError:
        show_first(screen, found)
        screen.note(f"wrote {found.path / TABLE}")
        raise
    if screen.json:
        return screen.document(found.to_dict())
    show(screen, found, names)
    if hidden := len(found.figures) - len(names):
        screen.note(f"{hidden} more figures: see them with --figures all or by name, or with --json")
    return screen.note(f"wrote {found.path / TABLE}")


class CompareLines(CompareCallback):
    """Progress of a comparison: each training as in `zoo train`, below a line with its title."""

    found: Comparison | None = None

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def training(self, title: str, entry: Entry) -> AbstractContextManager[ProgressLines]:
        """Print the title, and show the training's progress."""
        self.note(title)
        return progress_callback(entry, self.screen)

    def update(self, comparison: Comparison) -> None:
        """Keep the newest state of the comparison."""
        self.found = comparison

    def note(self, text: str) -> None:
        """Print a message for the user."""
        self.screen.note(text)


def choose_figures(found: Comparison, asked: str | None) -> list[str]:
    """Return the figures to show; ZooError for an unknown one."""
    if asked is None:
        return found.figures[:DEFAULT_COLUMNS]
    if asked.strip() == "all":
        return found.figures
    names = list(dict.fromkeys(name.strip() for name in asked.split(",")))
    for name in names:
        if name not in found.figures:
            raise ZooError(
                f"no figure {name[:80]!r}", did_you_mean(name, found.figures) or "see them with --figures all"
            )
    return names


def show(screen: Screen, found: Comparison, names: list[str]) -> None:
    """Print the result."""
    screen.line(found.title)
    if judges := dict.fromkeys(run.judge for run in found.runs if run.judge):
        screen.line(f"judge: {'; '.join(judges)}")
    screen.line()
    heads, rows = found.table(names)
    screen.table(heads, rows, right=range(1, len(heads)))
    show_failures(screen, found)


def show_first(screen: Screen, found: Comparison) -> None:
    """Print the result with its first figures before an error, unless a JSON document was asked for."""
    if not screen.json:
        show(screen, found, found.figures[:DEFAULT_COLUMNS])


def show_failures(screen: Screen, found: Comparison) -> None:
    """Print the runs that did not finish, and why."""
    if rows := found.failures:
        screen.line()
        screen.table(FAILURE_HEADS, rows, right=[1])
