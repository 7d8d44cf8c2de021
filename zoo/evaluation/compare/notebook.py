"""Progress of a comparison in a notebook: its table so far, and a bar for the running training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.display.html import LiveOutput, NotebookDisplay, muted_line, titled_block
from zoo.evaluation.compare.callbacks import CompareCallback
from zoo.evaluation.compare.result import ENDED, Comparison
from zoo.registry.entry import Entry
from zoo.training.notebook import NotebookCallback


class CompareNotebookCallback(NotebookDisplay, CompareCallback):
    """Progress of a comparison in the output of a notebook cell."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = LiveOutput()
        self.found: Comparison | None = None

    @contextmanager
    def training(self, title: str, entry: Entry) -> Iterator[NotebookCallback]:
        """Draw a bar in place of the one of the previous training."""
        yield NotebookCallback(title, self.bar)

    def update(self, comparison: Comparison) -> None:
        """Redraw the table; it goes when all is done, since the comparison itself is shown then."""
        self.found = comparison
        self.redraw()

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.found is not None and all(run.state in ENDED for run in self.found.runs)

    def html(self) -> str:
        """Table and notes."""
        table = "" if self.found is None or self.over else self.found._repr_html_()
        return titled_block("", muted_line(self.text()), table, *map(muted_line, self.notes))

    def text(self) -> str:
        """How far it is."""
        if self.found is None:
            return "preparing ..."
        ended = sum(run.state in ENDED for run in self.found.runs)
        return f"{self.found.path}: {ended} of {len(self.found.runs)} trainings ended"
