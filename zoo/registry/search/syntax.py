"""The syntax of `tune.space`: search ranges as a registry writes them, and what is requested of each option."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.spec import Choice, Mark, Range
from zoo.core.yaml import parse_value
from zoo.registry.raw_entry import RawEntry

COMMAND_LINE = "command line: "


class SearchRequest(NamedTuple):
    """One part of `tune.space`."""

    path: str
    """The option, as `model.first`."""
    keys: tuple[str, ...]
    """The keys under `tune.space` that lead to it: `model.first` or `model`, `first`."""
    value: Any

    def place(self, raw: RawEntry) -> str:
        """`file:line: ` of it."""
        return raw.place(("tune", "space", *self.keys))

    def fail(self, raw: RawEntry, text: object, hint: str = "") -> ZooError:
        """The error that something is wrong with it."""
        return ZooError(f"{self.place(raw)}{raw.name}.tune.space.{self.path[:120]}: {text}", hint)


def flatten_requests(
    space: Mapping[str, Any], inner: Callable[[str], bool], keys: tuple[str, ...] = ()
) -> Iterator[SearchRequest]:
    """Every option that stands in nested mappings or under dotted keys; `inner` knows which paths hold options."""
    for key, value in space.items():
        written = (*keys, str(key))
        path = ".".join(written)
        if isinstance(value, Mapping) and inner(path):
            yield from flatten_requests(value, inner, written)
        else:
            yield SearchRequest(path, written, value)


def collect_requests(raw: RawEntry, space: Mapping[str, Any], inner: Callable[[str], bool]) -> dict[str, SearchRequest]:
    """What is asked of each option; where it stands twice, nested and dotted, the two merge as layers do."""
    found: dict[str, SearchRequest] = {}
    for asked in flatten_requests(space, inner):
        below = found.get(asked.path)
        found[asked.path] = asked if below is None else merge_requests(raw, below, asked)
    return found


def merge_requests(raw: RawEntry, one: SearchRequest, two: SearchRequest) -> SearchRequest:
    """The second over the first, but the command line over a file."""
    low, high = (two, one) if one.place(raw) == COMMAND_LINE != two.place(raw) else (one, two)
    both = isinstance(low.value, Mapping) and isinstance(high.value, Mapping)
    return high._replace(value={**low.value, **high.value}) if both else high


NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
RANGE_PATTERN = re.compile(rf"\s*{NUMBER}\s*\.\.\s*{NUMBER}(?:\s+step\s+{NUMBER})?(\s+log)?\s*")
RANGE_KEYS = ("low", "high", "step", "log", "choice", "when")
EXPECTED = "should be {low, high}, a list of values, a text as '32..48 step 2' or 'a | b', or null"


class RangeError(ValueError):
    """A mark that is none; the text says why."""


class ConditionalRange(NamedTuple):
    """What an entry wants of one option."""

    mark: Mark | None
    """Where to look; None: nowhere, the option keeps its value."""
    when: Mapping[str, Any]
    """The conditions as they are written."""


def parse_range(value: Any, own: Mark | None) -> ConditionalRange:
    """A wish from what is written; `own` is the mark of the option itself. MarkError says what is wrong."""
    if value is None:
        return ConditionalRange(None, {})
    if isinstance(value, list | tuple):
        return ConditionalRange(Choice(*value), {})
    if isinstance(value, str):
        return ConditionalRange(parse_text(value), {})
    if not isinstance(value, Mapping):
        raise RangeError(f"{EXPECTED}, got {value!r:.80}")
    for key in value:
        if key not in RANGE_KEYS:
            raise RangeError(f"a mark has no part {key!r:.60}; {did_you_mean(str(key), RANGE_KEYS)}".removesuffix("; "))
    when = value.get("when") or {}
    if not isinstance(when, Mapping):
        raise RangeError(f"when should be a mapping of options to values, got {when!r:.80}")
    return ConditionalRange(parse_mapping({key: part for key, part in value.items() if key != "when"}, own), when)


def parse_mapping(parts: dict[str, Any], own: Mark | None) -> Mark:
    """The mark of `{low, high, step, log}` or `{choice}`; without any of them that of the option itself."""
    if not parts and own is not None:
        return own
    if "choice" in parts:
        if len(parts) > 1 or not isinstance(parts["choice"], list | tuple):
            raise RangeError("choice should be a list of values, without low, high, step and log")
        return Choice(*parts["choice"])
    numbers: dict[str, Any] = {key: parts.get(key) for key in ("low", "high", "step")}
    if numbers["low"] is None or numbers["high"] is None:
        raise RangeError("a range needs low and high")
    for key, number in numbers.items():
        if number is not None and type(number) not in (int, float):
            raise RangeError(f"{key} should be a number, got {number!r:.60}")
    log = parts.get("log", False)
    if not isinstance(log, bool):
        raise RangeError(f"log should be true or false, got {log!r:.60}")
    return make_range(**numbers, log=log)


def make_range(low: float, high: float, step: float | None, log: bool) -> Range:
    """A range, or what keeps it from being one."""
    if not low < high:
        raise RangeError(f"low should be below high, got {low} and {high}")
    if log and low <= 0:
        raise RangeError(f"log needs low above 0, got {low}")
    if step is not None and step <= 0:
        raise RangeError(f"step should be above 0, got {step}")
    return Range(low, high, step, log)


def parse_text(words: str) -> Mark:
    """The mark of a text, as `str` of a mark prints it."""
    if found := RANGE_PATTERN.fullmatch(words):
        low, high, step, log = found.groups()
        return make_range(parse_number(low), parse_number(high), parse_number(step) if step else None, log is not None)
    if "|" not in words:
        raise RangeError(f"{EXPECTED}, got {words!r:.80}")
    try:
        return Choice(*(parse_value(part, "value") for part in words.split("|")))
    except ZooError as error:
        raise RangeError(str(error)) from None


def parse_number(words: str) -> float:
    """A whole number where it is written as one."""
    return int(words) if re.fullmatch(r"[+-]?\d+", words) else float(words)


def format_range(mark: Mark) -> str:
    """The mark in words; where `str` is not exact, with all digits or with quotes."""
    words = str(mark)
    try:
        exact = same_values(parse_text(words), mark)
    except ValueError:
        exact = False
    if exact:
        return words
    if isinstance(mark, Choice):
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in mark.values)
    marks = ([] if mark.step is None else [f"step {mark.step!r}"]) + ["log"] * mark.log
    return " ".join([f"{mark.low!r}..{mark.high!r}", *marks])


def same_values(one: Mark, two: Mark) -> bool:
    """Whether two marks are equal, types of values included: true is not 1."""
    if isinstance(one, Choice) and isinstance(two, Choice):
        return [(type(value), value) for value in one.values] == [(type(value), value) for value in two.values]
    return one == two
