"""What people see: results on stdout, notes on stderr; rich tables on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TextIO

from zoo.core.errors import one_line
from zoo.core.files import non_finite_to_none

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


SHORT, BROAD = 16, 24
"""Characters up to which a column is not wrapped, and that one which is wrapped must have."""
GAP = "  "
FLAT = re.compile(r"\[\n([^\[\]{}\"]*)\n *\]")
"""A list of numbers over several lines of JSON; no text can look like it, since a text has no line break."""


class HangUp(Exception):  # noqa: N818 - it is no fault
    """Nobody reads the result any more."""


@dataclass
class Screen:
    """How to print, from what the command line asks for."""

    json: bool = False
    plain: bool = False
    traceback: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)

    @classmethod
    def asked_for(cls, words: Sequence[str]) -> Self:
        """Read the flags before anything else is, so that an error in the rest is told in the form asked for."""
        flags = set(words[: words.index("--")] if "--" in words else words)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        return cls("--json" in flags, "--plain" in flags, "--traceback" in flags)

    def rich(self, stream: TextIO) -> bool:
        """Whether a stream is a terminal that shows more than plain lines."""
        return stream.isatty() and not self.plain and os.environ.get("TERM") != "dumb"

    def console(self, stream: TextIO) -> Console:
        """A rich console for a terminal."""
        from rich.console import Console

        bare = "NO_COLOR" in os.environ
        options: dict[str, Any] = {"color_system": None} if bare else {}
        return Console(
            file=stream, force_terminal=True, force_jupyter=False, highlight=False, markup=False, emoji=False, **options
        )

    @property
    def width(self) -> int:
        """Columns of the terminal; plenty where there is none."""
        return self.console(sys.stdout).width if self.rich(sys.stdout) else 1000

    def line(self, text: str = "") -> None:
        """One line of the result."""
        print(one_line(text))

    def note(self, text: str) -> None:
        """One line for people only. That nobody can read it is no reason to stop."""
        try:
            print(one_line(text), file=sys.stderr, flush=True)
        except (OSError, ValueError):
            return

    def document(self, value: Any) -> None:
        """The result as JSON."""
        ascii_only = (self.out.encoding or "ascii").lower().replace("-", "") != "utf8"
        text = json.dumps(non_finite_to_none(value), indent=2, ensure_ascii=ascii_only, allow_nan=False)
        print(FLAT.sub(lambda match: f"[{' '.join(match[1].split())}]", text), file=self.out)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> None:
        """A table; on a terminal that is too narrow for it, one block a row."""
        columns = [
            Column(head, [one_line(str(cell)) for cell in cells], index in set(right))
            for index, (head, *cells) in enumerate(zip(heads, *rows, strict=True))
        ]
        if not self.rich(sys.stdout):
            return print_plain(columns)
        console = self.console(sys.stdout)
        filled = [column for column in columns if any(column.cells)]
        broad = [column for column in filled[1:] if column.width > SHORT]
        room = len(GAP) + console.width - sum(column.width + len(GAP) for column in filled if column not in broad)
        if sum(column.width + len(GAP) for column in broad) > room and room < BROAD * max(1, len(broad)):
            return print_blocks(console, filled)
        return console.print(rich_table(filled, broad))


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    head: str
    cells: list[str]
    right: bool

    @property
    def width(self) -> int:
        """Characters of the longest cell."""
        return max(map(len, [self.head, *self.cells]))


def rich_table(columns: list[Column], broad: list[Column]) -> RenderableType:
    """Columns without lines between them; broad ones wrap."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.head, justify="right" if column.right else "left", no_wrap=column not in broad)
    for first, *rest in zip(*(column.cells for column in columns), strict=True):
        table.add_row(Text(first, style="cyan"), *map(Text, rest))
    return table


def print_blocks(console: Console, columns: list[Column]) -> None:
    """Each row as its first cell, below it the longest one if it is a text, then the others by name."""
    from rich.padding import Padding
    from rich.text import Text

    longest = max(columns[1:], key=lambda column: column.width)
    text = longest if longest.width > SHORT else Column("", [""] * len(longest.cells), right=False)
    others = [column for column in columns[1:] if column is not text]
    for index, first in enumerate(columns[0].cells):
        named = ", ".join(f"{column.head} {column.cells[index]}" for column in others if column.cells[index])
        console.print(Text(first, style="cyan"))
        for part in filter(None, (text.cells[index], named)):
            console.print(Padding(Text(part), (0, 0, 0, len(GAP))))


def print_plain(columns: list[Column]) -> None:
    """Columns padded with spaces, however wide."""
    padded = [
        [
            cell.rjust(column.width) if column.right else cell.ljust(column.width)
            for cell in [column.head, *column.cells]
        ]
        for column in columns
    ]
    for row in zip(*padded, strict=True):
        print(GAP.join(row).rstrip())
