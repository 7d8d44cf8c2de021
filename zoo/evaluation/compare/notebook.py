"""A comparison watched in a notebook: its table as far as it is, and one bar for the training that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.display.html import Display, block, in_notebook, line
from zoo.evaluation.compare.result import ENDED, Comparison
from zoo.evaluation.compare.runner import CompareWatch, Nobody
from zoo.registry.entry import Entry
from zoo.training.notebook import Cell


class Cells:
    """Where a comparison is, in the output of a notebook's cell."""

    def __init__(self) -> None:
        self.table, self.bar = Display(), Display()
        self.found: Comparison | None = None
        self.notes: list[str] = []

    @contextmanager
    def training(self, title: str, entry: Entry) -> Iterator[Cell]:
        """A bar in the place of the last one."""
        yield Cell(title, self.bar)

    def update(self, comparison: Comparison) -> None:
        """The table; it goes when all is done, since the comparison itself is shown then."""
        self.found = comparison
        self.draw()

    def note(self, text: str) -> None:
        """Below the table."""
        self.notes.append(text)
        self.draw()

    def draw(self) -> None:
        """Draw table and notes."""
        self.table.draw(self.html, self.text, now=True)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.found is not None and all(run.state in ENDED for run in self.found.runs)

    def html(self) -> str:
        """Table and notes."""
        table = "" if self.found is None or self.over else self.found._repr_html_()
        return block("", line(self.text()), table, *map(line, self.notes))

    def text(self) -> str:
        """How far it is."""
        if self.found is None:
            return "preparing ..."
        ended = sum(run.state in ENDED for run in self.found.runs)
        return f"{self.found.path}: {ended} of {len(self.found.runs)} trainings ended"


def watching() -> CompareWatch:
    """A table and a bar in the output of a notebook's cell; elsewhere nobody watches."""
    return Cells() if in_notebook() else Nobody()
