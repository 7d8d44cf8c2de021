"""Comparison callbacks: the base class, and progress in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from zoo.display.html import LiveOutput, NotebookDisplay, muted_line, titled_block
from zoo.evaluation.compare.result import END_STATES, Comparison
from zoo.registry.entry import Entry
from zoo.training.callbacks import Callback
from zoo.training.notebook import NotebookCallback


class CompareCallback:
    """Base class of comparison callbacks; override the methods you need, the others do nothing."""

    def training(self, title: str, entry: Entry) -> AbstractContextManager[Callback]:
        """Called when a training starts or resumes; it yields the callback of that training."""
        return nullcontext(Callback())

    def update(self, comparison: Comparison) -> None:
        """Called when the comparison starts, and whenever one of its trainings ends."""

    def note(self, text: str) -> None:
        """Called with a message for the user."""


class CompareNotebookCallback(NotebookDisplay, CompareCallback):
    """Progress of a comparison in the output of a notebook cell."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = LiveOutput()
        self.comparison: Comparison | None = None

    @contextmanager
    def training(self, title: str, entry: Entry) -> Iterator[NotebookCallback]:
        """Replace the bar of the previous training by a new one."""
        yield NotebookCallback(title, self.bar)

    def update(self, comparison: Comparison) -> None:
        """Redraw the table; at the end it is removed, since the notebook then shows the comparison itself."""
        self.comparison = comparison
        self.redraw()

    @property
    def finished(self) -> bool:
        """Whether all trainings have ended."""
        return self.comparison is not None and all(run.state in END_STATES for run in self.comparison.runs)

    def html(self) -> str:
        """Format the table and the messages as HTML."""
        table = "" if self.comparison is None or self.finished else self.comparison._repr_html_()
        return titled_block("", muted_line(self.text()), table, *map(muted_line, self.notes))

    def text(self) -> str:
        """Format the number of finished trainings."""
        if self.comparison is None:
            return "preparing ..."
        ended = sum(run.state in END_STATES for run in self.comparison.runs)
        return f"{self.comparison.path}: {ended} of {len(self.comparison.runs)} trainings finished"
