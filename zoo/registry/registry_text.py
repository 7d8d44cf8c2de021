"""The text of a registry file: entries in YAML, and recorded results, one JSON line each at its end."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from zoo.core.errors import ZooError
from zoo.core.trust import parse_finite
from zoo.core.yaml import Document, parse_cached

RESULTS_KEY = re.compile(r"^results:[ \t]*$", re.MULTILINE)
ROW = re.compile(r"( +)- (\{.*\})\s*")


class RecordedRows(NamedTuple):
    """The recorded results at the end of a registry file."""

    start: int
    """Position of the line `results:` in the text."""
    indent: str
    rows: list[dict[str, Any]]
    lines: list[int]
    """Line number of each row."""


def parse_registry(text: str, name: str) -> Document:
    """Parse a registry; results that `--record` wrote are read as JSON, which is 100 times faster than YAML."""
    found = find_rows(text)
    if found is None:
        return parse_cached(text, name)
    try:
        data, where = parse_cached(text[: found.start], name)
    except ZooError:
        return parse_cached(text, name)  # for an error about the whole text
    if not isinstance(data, dict) or "results" in data:
        return parse_cached(text, name)
    where["results",] = f"{name}:{text.count(chr(10), 0, found.start) + 1}"
    where |= {("results", str(row), "entry"): f"{name}:{line}" for row, line in enumerate(found.lines)}
    return Document(data | {"results": found.rows}, where)


def find_rows(text: str) -> RecordedRows | None:
    """Find the results at the end of a registry, or None if one is not a JSON object on a line of its own."""
    key = max(RESULTS_KEY.finditer(text), key=re.Match.start, default=None)
    if key is None or re.search(r"^(---|\.\.\.)", text[: key.start()], re.MULTILINE):
        return None
    first = text.count("\n", 0, key.end()) + 1
    rows, lines, indents = [], [], set()
    for number, line in enumerate(text[key.end() :].split("\n"), first):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = ROW.fullmatch(line)
        if match is None or not line.isprintable():
            return None
        indents.add(match[1])
        lines.append(number)
        try:
            rows.append(DECODER.decode(match[2]))
        except (ValueError, RecursionError):
            return None
    return RecordedRows(key.start(), indents.pop(), rows, lines) if len(indents) == 1 else None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object.

    Raises ValueError if a key is empty or stands twice, which YAML refuses too.
    """
    found = dict(pairs)
    if len(found) < len(pairs) or "" in found:
        raise ValueError("a key is empty or stands twice")
    return found


def parse_integer(text: str) -> int:
    """Convert a whole number; ValueError if it has more than 64 bits."""
    value = int(text[:40])
    if len(text) > 40 or not -(2**63) <= value < 2**64:
        raise ValueError("more than 64 bits")
    return value


DECODER = json.JSONDecoder(
    object_pairs_hook=unique_keys, parse_float=parse_finite, parse_int=parse_integer, parse_constant=parse_finite
)
