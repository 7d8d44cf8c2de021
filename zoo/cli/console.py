"""Output: results on stdout, notes on stderr; rich tables on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TextIO

from zoo.core.errors import one_line
from zoo.core.files import non_finite_to_none

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


MAX_UNWRAPPED, MIN_WRAPPED = 16, 24
"""Widest column that is never wrapped, and least width of a wrapped column."""
GAP = "  "
NUMBER_LIST = re.compile(r"\[\n([^\[\]{}\"]*)\n *\]")
"""A list of numbers over several lines of JSON; no string can match, since JSON strings have no line breaks."""


class OutputClosedError(Exception):
    """Raised when stdout is closed because its reader has exited."""


@dataclass
class Screen:
    """The command's output, with the flags that control its format."""

    json: bool = False
    plain: bool = False
    traceback: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)

    @classmethod
    def from_arguments(cls, words: Sequence[str]) -> Self:
        """Read the flags before the rest of the command line, so that errors in it are printed in the right format."""
        flags = set(words[: words.index("--")] if "--" in words else words)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        return cls("--json" in flags, "--plain" in flags, "--traceback" in flags)

    def rich(self, stream: TextIO) -> bool:
        """Whether a stream is a terminal that supports more than plain lines."""
        return stream.isatty() and not self.plain and os.environ.get("TERM") != "dumb"

    def console(self, stream: TextIO) -> Console:
        """Return a rich console for a terminal."""
        from rich.console import Console

        bare = "NO_COLOR" in os.environ
        options: dict[str, Any] = {"color_system": None} if bare else {}
        return Console(
            file=stream, force_terminal=True, force_jupyter=False, highlight=False, markup=False, emoji=False, **options
        )

    @property
    def width(self) -> int:
        """Columns of the terminal; 1000 if there is none."""
        return self.console(sys.stdout).width if self.rich(sys.stdout) else 1000

    def line(self, text: str = "") -> None:
        """Print one line of the result."""
        print(one_line(text))

    def note(self, text: str) -> None:
        """Print one line to stderr."""
        print(one_line(text), file=sys.stderr, flush=True)

    def document(self, value: Any) -> None:
        """Print the result as JSON."""
        ascii_only = (self.out.encoding or "ascii").lower().replace("-", "") != "utf8"
        text = json.dumps(non_finite_to_none(value), indent=2, ensure_ascii=ascii_only, allow_nan=False)
        text = NUMBER_LIST.sub(lambda match: f"[{' '.join(match[1].split())}]", text)
        print(escape_in_json(text), file=self.out)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> None:
        """Print a table; on a terminal that is too narrow for it, one block per row."""
        columns = [
            Column(one_line(head), [one_line(str(cell)) for cell in cells], index in set(right))
            for index, (head, *cells) in enumerate(zip(heads, *rows, strict=True))
        ]
        if not self.rich(sys.stdout):
            return print_plain(columns)
        console = self.console(sys.stdout)
        filled = [column for column in columns if any(column.cells)]
        broad = [column for column in filled[1:] if column.width > MAX_UNWRAPPED]
        room = len(GAP) + console.width - sum(column.width + len(GAP) for column in filled if column not in broad)
        if sum(column.width + len(GAP) for column in broad) > room and room < MIN_WRAPPED * max(1, len(broad)):
            return print_blocks(console, filled)
        return console.print(rich_table(filled, broad))


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    head: str
    cells: list[str]
    right: bool

    @cached_property
    def width(self) -> int:
        """Length of the longest cell or the head."""
        return max(map(len, [self.head, *self.cells]))


def rich_table(columns: list[Column], broad: list[Column]) -> RenderableType:
    """Build a rich table without lines; broad columns wrap."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.head, justify="right" if column.right else "left", no_wrap=column not in broad)
    for first, *rest in zip(*(column.cells for column in columns), strict=True):
        table.add_row(Text(first, style="cyan"), *map(Text, rest))
    return table


def print_blocks(console: Console, columns: list[Column]) -> None:
    """Print each row as its first cell, below it the longest column if it is a text, then the others by name."""
    from rich.padding import Padding
    from rich.text import Text

    longest = max(columns[1:], key=lambda column: column.width)
    text = longest if longest.width > MAX_UNWRAPPED else Column("", [""] * len(longest.cells), right=False)
    others = [column for column in columns[1:] if column is not text]
    for index, first in enumerate(columns[0].cells):
        named = ", ".join(f"{column.head} {column.cells[index]}" for column in others if column.cells[index])
        console.print(Text(first, style="cyan"))
        for part in filter(None, (text.cells[index], named)):
            console.print(Padding(Text(part), (0, 0, 0, len(GAP))))


def print_plain(columns: list[Column]) -> None:
    """Print columns padded with spaces, however wide."""
    padded = [
        [
            cell.rjust(column.width) if column.right else cell.ljust(column.width)
            for cell in [column.head, *column.cells]
        ]
        for column in columns
    ]
    for row in zip(*padded, strict=True):
        print(GAP.join(row).rstrip())


def escape_in_json(text: str) -> str:
    """Escape characters that JSON may have as they are, though they would confuse a terminal."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1].replace("\x7f", "\\u007f") for c in text)
