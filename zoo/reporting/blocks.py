"""The parts of a report, as plain values; `page` turns them into HTML, in which every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from zoo.reporting.charts import Series


@dataclass(frozen=True)
class Block:
    """A part of a section."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class Text(Block):
    """A paragraph."""

    text: str
    kind = "text"


@dataclass(frozen=True)
class Heading(Block):
    """A heading within a section."""

    text: str
    kind = "heading"


@dataclass(frozen=True)
class Notes(Block):
    """A list of short texts."""

    lines: Sequence[str]
    kind = "notes"


@dataclass(frozen=True)
class Table(Block):
    """A table whose columns can be sorted."""

    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    right: Iterable[int] = ()
    """The columns of numbers, which are aligned to the right."""
    name: str = ""
    """What the table shows, for those who cannot see it."""
    kind = "table"


@dataclass(frozen=True)
class Facts(Block):
    """Names and values, one below the other."""

    about: dict[str, object]
    kind = "facts"


@dataclass(frozen=True)
class Figure(Block):
    """A chart with its title and a legend."""

    title: str
    svg: str
    """Made by `charts`, which escapes its texts."""
    legend: Sequence[Series] = ()
    note: str = ""
    kind = "figure"


@dataclass(frozen=True)
class Figures(Block):
    """Charts side by side."""

    figures: Sequence[Figure]
    kind = "figures"


@dataclass(frozen=True)
class Picture(Block):
    """A picture with its caption."""

    png: bytes
    caption: str
    pixels: bool = False
    """Whether its pixels are enlarged as squares."""
    kind = "picture"


@dataclass(frozen=True)
class Pictures(Block):
    """Small pictures side by side."""

    pictures: Sequence[Picture]
    kind = "pictures"


@dataclass(frozen=True)
class Matrix(Block):
    """A confusion matrix: a row for each true class, a column for each predicted one."""

    classes: Sequence[str]
    counts: Sequence[Sequence[int]]
    kind = "matrix"

    @property
    def shares(self) -> list[list[float]]:
        """Each count as a share of its row."""
        return [[count / max(1, sum(row)) for count in row] for row in self.counts]


@dataclass(frozen=True)
class Command(Block):
    """Lines for a shell."""

    lines: Sequence[str]
    kind = "command"


@dataclass(frozen=True)
class Details(Block):
    """Blocks that are shown when their title is opened."""

    title: str
    blocks: Sequence[Block]
    kind = "details"


@dataclass(frozen=True)
class Columns(Block):
    """Groups of blocks side by side where there is room."""

    columns: Sequence[Sequence[Block]]
    kind = "columns"


@dataclass(frozen=True)
class Section:
    """A section of a report."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Tile:
    """A figure that stands at the top."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Page:
    """What a report says."""

    kind: str
    """run, study or comparison."""
    title: str
    subtitle: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    state: str = ""
    notes: list[str] = field(default_factory=list)
    """Messages for the user: what could not be shown."""
