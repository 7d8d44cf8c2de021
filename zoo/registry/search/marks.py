"""Marks as a registry writes them: `{low, high, step, log}`, `{choice}`, a list, or the text of a mark."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.spec import Choice, Mark, Range
from zoo.core.yaml import parse_value

NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
RANGE = re.compile(rf"\s*{NUMBER}\s*\.\.\s*{NUMBER}(?:\s+step\s+{NUMBER})?(\s+log)?\s*")
KEYS = ("low", "high", "step", "log", "choice", "when")
FORMS = "should be {low, high}, a list of values, a text as '32..48 step 2' or 'a | b', or null"


class MarkError(ValueError):
    """A mark that is none; the text says why."""


class SearchMark(NamedTuple):
    """What an entry wants of one option."""

    mark: Mark | None
    """Where to look; None: nowhere, the option keeps its value."""
    when: Mapping[str, Any]
    """The conditions as they are written."""


def read(value: Any, own: Mark | None) -> SearchMark:
    """A wish from what is written; `own` is the mark of the option itself. MarkError says what is wrong."""
    if value is None:
        return SearchMark(None, {})
    if isinstance(value, list | tuple):
        return SearchMark(Choice(*value), {})
    if isinstance(value, str):
        return SearchMark(parse(value), {})
    if not isinstance(value, Mapping):
        raise MarkError(f"{FORMS}, got {value!r:.80}")
    for key in value:
        if key not in KEYS:
            raise MarkError(f"a mark has no part {key!r:.60}; {did_you_mean(str(key), KEYS)}".removesuffix("; "))
    when = value.get("when") or {}
    if not isinstance(when, Mapping):
        raise MarkError(f"when should be a mapping of options to values, got {when!r:.80}")
    return SearchMark(of_mapping({key: part for key, part in value.items() if key != "when"}, own), when)


def of_mapping(parts: dict[str, Any], own: Mark | None) -> Mark:
    """The mark of `{low, high, step, log}` or `{choice}`; without any of them that of the option itself."""
    if not parts and own is not None:
        return own
    if "choice" in parts:
        if len(parts) > 1 or not isinstance(parts["choice"], list | tuple):
            raise MarkError("choice should be a list of values, without low, high, step and log")
        return Choice(*parts["choice"])
    numbers: dict[str, Any] = {key: parts.get(key) for key in ("low", "high", "step")}
    if numbers["low"] is None or numbers["high"] is None:
        raise MarkError("a range needs low and high")
    for key, number in numbers.items():
        if number is not None and type(number) not in (int, float):
            raise MarkError(f"{key} should be a number, got {number!r:.60}")
    log = parts.get("log", False)
    if not isinstance(log, bool):
        raise MarkError(f"log should be true or false, got {log!r:.60}")
    return make_range(**numbers, log=log)


def make_range(low: float, high: float, step: float | None, log: bool) -> Range:
    """A range, or what keeps it from being one."""
    if not low < high:
        raise MarkError(f"low should be below high, got {low} and {high}")
    if log and low <= 0:
        raise MarkError(f"log needs low above 0, got {low}")
    if step is not None and step <= 0:
        raise MarkError(f"step should be above 0, got {step}")
    return Range(low, high, step, log)


def parse(words: str) -> Mark:
    """The mark of a text, as `str` of a mark prints it."""
    if found := RANGE.fullmatch(words):
        low, high, step, log = found.groups()
        return make_range(number(low), number(high), number(step) if step else None, log is not None)
    if "|" not in words:
        raise MarkError(f"{FORMS}, got {words!r:.80}")
    try:
        return Choice(*(parse_value(part, "value") for part in words.split("|")))
    except ZooError as error:
        raise MarkError(str(error)) from None


def number(words: str) -> float:
    """A whole number where it is written as one."""
    return int(words) if re.fullmatch(r"[+-]?\d+", words) else float(words)


def text(mark: Mark) -> str:
    """The mark in words; where `str` is not exact, with all digits or with quotes."""
    words = str(mark)
    try:
        exact = same(parse(words), mark)
    except ValueError:
        exact = False
    if exact:
        return words
    if isinstance(mark, Choice):
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in mark.values)
    marks = ([] if mark.step is None else [f"step {mark.step!r}"]) + ["log"] * mark.log
    return " ".join([f"{mark.low!r}..{mark.high!r}", *marks])


def same(one: Mark, two: Mark) -> bool:
    """Whether two marks are equal, types of values included: true is not 1."""
    if isinstance(one, Choice) and isinstance(two, Choice):
        return [(type(value), value) for value in one.values] == [(type(value), value) for value in two.values]
    return one == two
