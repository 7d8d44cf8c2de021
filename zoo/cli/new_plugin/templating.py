"""Templates of files: lines that are for some parts alone, and words that stand for names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from string import Template

WIDE = 120
MARK = "#:"
"""Begins a line of a template that says which parts the lines below it are for; alone: for all."""
IMPORT = re.compile(r"^( *from \S+ import )\(\n((?: *\w+,\n)*) *\)\n", re.MULTILINE)


def render(template: str, parts: set[str], words: Mapping[str, str]) -> str:
    """A template without the lines that are for other parts, `$word` replaced; a KeyError for one without a meaning."""
    text = (files("zoo.cli.new_plugin") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    lines = [*select_lines(text.splitlines(), parts), ""]
    return IMPORT.sub(joined, Template("\n".join(lines)).substitute(words))


def select_lines(lines: Iterable[str], parts: set[str]) -> Iterator[str]:
    """The lines of a template that are for all, or for one of the parts."""
    shown = True
    for line in lines:
        if line.startswith(MARK):
            wanted = line.removeprefix(MARK).split()
            shown = not wanted or not parts.isdisjoint(wanted)
        elif shown:
            yield line


def joined(match: re.Match[str]) -> str:
    """An import on one line where it fits there; nothing where no name is left."""
    names = " ".join(match[2].split()).removesuffix(",")
    line = f"{match[1]}{names}\n"
    return "" if not names else line if len(line) <= WIDE + 1 else match[0]
