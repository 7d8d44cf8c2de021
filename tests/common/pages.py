"""The pages that people read, taken apart: their code blocks, the commands in them, and the screens that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"\b[0-9a-f]{12}\b|-?\d[\d,.:]*(e[+-]?\d+)?")
VARIES = re.compile(r"(?<=\()# done[^)]*(?=\))|; (running|pruned) #(, \w+ #)*")
"""What became of the trials of a study, which its numbers decide."""
LEFT_OUT = "…"


class Block(NamedTuple):
    """A fenced block."""

    page: str
    """The page, relative to the root of the repository."""
    language: str
    """What stands behind the fence: a language, or the `{name}` of a directive."""
    code: str


class Shown(NamedTuple):
    """A command, and the lines that a page shows below it."""

    command: str
    lines: list[str]


def pages() -> dict[str, str]:
    """The text of each page by its path: those at the top of the repository, and all of the documentation."""
    found = [*ROOT.glob("*.md"), ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    paths = [path for path in found if "_build" not in path.parts]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def blocks() -> list[Block]:
    """All blocks of all pages, in their order."""
    return [block for page, text in pages().items() for block in blocks_of(page, text)]


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Yield the blocks of a page; a fence without a language has an empty one."""
    for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", text, re.MULTILINE):
        yield Block(page, match[1].split(" ")[0], match[2])


def commands() -> list[tuple[str, str]]:
    """Page and line of each command in an `sh` block, without the comment behind it."""
    lines = [(block.page, line) for block in blocks() if block.language == "sh" for line in block.code.splitlines()]
    return [(page, re.sub(r"\s+#.*", "", line)) for page, line in lines if line.strip()]


def screens() -> list[Shown]:
    """Each command of the `text` blocks, `$ ` before it, with what it prints; what two pages show is one screen."""
    found: dict[str, list[str]] = {}
    for lines in (block.code.splitlines() for block in blocks() if block.language == "text"):
        assert lines[0].startswith("$ "), lines[0]
        command = ""
        for prompt, group in groupby(lines, lambda line: line.startswith("$ ")):
            for line in group:
                if prompt:
                    command = line.removeprefix("$ ")
                    found.setdefault(command, [])
                elif line not in found[command]:
                    found[command].append(line)
    return [Shown(command, lines) for command, lines in found.items()]


def shape(line: str) -> str:
    """A line without its numbers and the width of its columns."""
    return VARIES.sub("", " ".join(NUMBER.sub("#", line).split()))


def shows(line: str, printed: str) -> bool:
    """Whether a printed line has the parts of a shown one in their order; `…` stands for anything."""
    parts = [re.escape(shape(part)) for part in line.split(LEFT_OUT)]
    return re.fullmatch(r".*?".join(parts), shape(printed)) is not None


def anchors(text: str) -> set[str]:
    """The places of a page that a link can name: its headings, as GitHub and MyST write them."""
    heads = re.findall(r"^#{1,4} (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


def links(text: str) -> list[tuple[str, str]]:
    """Path and anchor of each link and picture of a page that leads to a file of the repository."""
    found = re.findall(r"\]\(([^)#:\s]*)(?:#([\w-]+))?\)", text)
    return [(path, anchor) for path, anchor in found if path or anchor]
