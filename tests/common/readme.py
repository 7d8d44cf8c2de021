"""The README taken apart: its code blocks, the commands in them, and the screens that it shows."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\b[0-9a-f]{12}\b|-?\d[\d,.:]*(e[+-]?\d+)?")
VARIES = re.compile(r"(?<=\()# done[^)]*(?=\))|; (running|pruned) #(, \w+ #)*")
"""What became of the trials of a study, which its numbers decide."""
LEFT_OUT = "…"


class Block(NamedTuple):
    """A fenced block."""

    language: str
    code: str
    section: str
    """The heading above it."""


class Shown(NamedTuple):
    """A command, and the lines that the README shows below it."""

    command: str
    lines: list[str]


def blocks() -> list[Block]:
    """All blocks, in their order; a fence without a language has an empty one."""
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[2], heading(match.start())) for match in found]


def heading(place: int) -> str:
    """The last heading of the second level before a place in the text."""
    return str(re.findall(r"^## (.*)$", TEXT[:place], re.MULTILINE)[-1])


def section(name: str) -> str:
    """The text below a heading of the second level, up to the next."""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, name
    return str(found[1])


def commands() -> list[tuple[str, str]]:
    """Section and line of each command in an `sh` block, without what is said of it."""
    lines = [(block.section, line) for block in blocks() if block.language == "sh" for line in block.code.splitlines()]
    return [(section, re.sub(r"\s+#.*", "", line)) for section, line in lines if line.strip()]


def screens() -> list[Shown]:
    """Each command of the `text` blocks, `$ ` before it, with what it prints."""
    found: list[Shown] = []
    for lines in (block.code.splitlines() for block in blocks() if block.language == "text"):
        assert lines[0].startswith("$ "), lines[0]
        for prompt, group in groupby(lines, lambda line: line.startswith("$ ")):
            some = list(group)
            if prompt:
                found += [Shown(line.removeprefix("$ "), []) for line in some]
            else:
                found[-1].lines.extend(some)
    return found


def shape(line: str) -> str:
    """A line without its numbers and the width of its columns."""
    return VARIES.sub("", " ".join(NUMBER.sub("#", line).split()))


def shows(line: str, printed: str) -> bool:
    """Whether a printed line has the parts of a shown one in their order; `…` stands for anything."""
    parts = [re.escape(shape(part)) for part in line.split(LEFT_OUT)]
    return re.fullmatch(r".*?".join(parts), shape(printed)) is not None
