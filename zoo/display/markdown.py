"""Markdown and YAML from texts of any content: nothing in them is markup, and no line is broken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from zoo.core.errors import one_line
from zoo.display.format import shorten

PLAIN = re.compile(r"[^\W_]+(?:[ _.-][^\W_]+)*")
"""A name that no Markdown renderer takes for markup; `LINK` could be one all the same."""
LINK = re.compile(r"www\.|[a-z]\.[a-z]", re.IGNORECASE)
MARKUP = re.compile(r"[\\`*_\[\]#|~$!{}]")
MAX_NAME = 80
"""Longest name in characters; more is cut off."""


def short_line(text: str, limit: int = MAX_NAME) -> str:
    """Make one line of a text, cut off after `limit` characters."""
    return shorten(one_line(text), limit)


def prose(text: str, limit: int = 500) -> str:
    """Escape a text that is read as prose."""
    escaped = MARKUP.sub(lambda match: f"\\{match[0]}", short_line(text, limit))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    escaped = re.sub(r"^([-+]|[0-9]+(?=[.)]))", lambda match: escape_item(match[0]), escaped)
    return re.sub(r"(?<=\w)([:.])(?=[\w/])", r"\\\1", escaped)  # else an address becomes a link


def escape_item(start: str) -> str:
    """Escape the start of a text that would begin a list."""
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def name(text: str) -> str:
    """Format a name: as it is if it is a plain word, otherwise as code, in which nothing is markup."""
    line = short_line(text)
    return line if PLAIN.fullmatch(line) and not LINK.search(line) else code(line)


def code(text: str, limit: int = MAX_NAME) -> str:
    """Format a text as code within a line; only a `|` in a table needs more, see `table`."""
    line = short_line(text, limit) or " "
    fence = "`" * (longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def code_block(lines: Iterable[str], language: str) -> str:
    """Format lines as a block of code; what is in them cannot end it."""
    body = [one_line(line) for line in lines]
    fence = "`" * max(3, 1 + max(map(longest_run, body), default=0))
    return "\n".join([f"{fence}{language}", *body, fence, ""])


def longest_run(line: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, re.findall(r"`+", line)), default=0)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Make a table of cells that are Markdown; `right` lists the right-aligned columns."""
    rules = ["---:" if column in set(right) else "---" for column in range(len(heads))]
    lines = [heads, rules, *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def quoted(text: str, limit: int = MAX_NAME) -> str:
    """Format a text as a quoted scalar of YAML."""
    return json.dumps(short_line(text, limit), ensure_ascii=False)
