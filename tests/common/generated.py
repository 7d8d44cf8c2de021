"""Parts of pages that are generated: what stands between two marks is replaced."""

from __future__ import annotations

import sys
from pathlib import Path


def replace_between(text: str, begin: str, end: str, part: str) -> str:
    """The text with another part between the marks, which stay."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{part}{end}{after}"


def print_or_write(page: Path, begin: str, end: str, part: str) -> None:
    """Print the part, or write it into the page where `--write` is asked for."""
    if sys.argv[1:] == ["--write"]:
        text = page.read_text(encoding="utf-8")
        page.write_text(replace_between(text, begin, end, part), encoding="utf-8", newline="\n")
    else:
        print(part, end="")
