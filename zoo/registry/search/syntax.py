"""The syntax of `tune.space`: search ranges, and requests to search an option."""

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
    """One item of `tune.space`: an option and the search range written for it."""

    path: str
    """The option, e.g. `model.first`."""
    keys: tuple[str, ...]
    """Its keys under `tune.space`: `("model.first",)` or `("model", "first")`."""
    value: Any

    def location(self, raw: RawEntry) -> str:
        """Return where it is written, as `file:line: `."""
        return raw.location(("tune", "space", *self.keys))

    def error(self, raw: RawEntry, text: object, hint: str = "") -> ZooError:
        """Make an error that names the option and where it is written."""
        return ZooError(f"{self.location(raw)}{raw.name}.tune.space.{self.path[:120]}: {text}", hint)


def flatten_requests(
    space: Mapping[str, Any], is_group: Callable[[str], bool], keys: tuple[str, ...] = ()
) -> Iterator[SearchRequest]:
    """Yield every option in nested mappings or under dotted keys; `is_group` tells groups from options."""
    for key, value in space.items():
        written = (*keys, str(key))
        path = ".".join(written)
        if isinstance(value, Mapping) and is_group(path):
            yield from flatten_requests(value, is_group, written)
        else:
            yield SearchRequest(path, written, value)


def collect_requests(
    raw: RawEntry, space: Mapping[str, Any], is_group: Callable[[str], bool]
) -> dict[str, SearchRequest]:
    """Collect the request for each option; nested and dotted ones are merged."""
    found: dict[str, SearchRequest] = {}
    for requested in flatten_requests(space, is_group):
        below = found.get(requested.path)
        found[requested.path] = requested if below is None else merge_requests(raw, below, requested)
    return found


def merge_requests(raw: RawEntry, one: SearchRequest, two: SearchRequest) -> SearchRequest:
    """Merge two requests for one option.

    The second one wins, but the command line wins over a file.
    """
    low, high = (two, one) if one.location(raw) == COMMAND_LINE != two.location(raw) else (one, two)
    both = isinstance(low.value, Mapping) and isinstance(high.value, Mapping)
    return high._replace(value={**low.value, **high.value}) if both else high


NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
RANGE_PATTERN = re.compile(rf"\s*{NUMBER}\s*\.\.\s*{NUMBER}(?:\s+step\s+{NUMBER})?(\s+log)?\s*")
RANGE_KEYS = ("low", "high", "step", "log", "choice", "when")
EXPECTED = "should be {low, high}, a list of values, a string such as '32..48 step 2' or 'a | b', or null"


class RangeError(ValueError):
    """A search range that is malformed or does not fit its option."""


class ConditionalRange(NamedTuple):
    """The search range of an option, and the conditions under which it is searched."""

    mark: Mark | None
    """The search range; None if the option is not searched and keeps its value."""
    when: Mapping[str, Any]
    """The conditions as written in the registry."""


def parse_range(value: Any, own: Mark | None) -> ConditionalRange:
    """Parse a search range; `own` is the range that the option itself declares. Raises RangeError."""
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
            raise RangeError(
                f"a search range has no key {key!r:.60}; {did_you_mean(str(key), RANGE_KEYS)}".removesuffix("; ")
            )
    when = value.get("when") or {}
    if not isinstance(when, Mapping):
        raise RangeError(f"`when` should be a mapping of options to values, got {when!r:.80}")
    return ConditionalRange(parse_mapping({key: part for key, part in value.items() if key != "when"}, own), when)


def parse_mapping(parts: dict[str, Any], own: Mark | None) -> Mark:
    """Parse `{low, high, step, log}` or `{choice}`; an empty mapping means the option's own range."""
    if not parts and own is not None:
        return own
    if "choice" in parts:
        if len(parts) > 1 or not isinstance(parts["choice"], list | tuple):
            raise RangeError("`choice` should be a list of values, without `low`, `high`, `step` and `log`")
        return Choice(*parts["choice"])
    numbers: dict[str, Any] = {key: parts.get(key) for key in ("low", "high", "step")}
    if numbers["low"] is None or numbers["high"] is None:
        raise RangeError("a range needs `low` and `high`")
    for key, number in numbers.items():
        if number is not None and type(number) not in (int, float):
            raise RangeError(f"`{key}` should be a number, got {number!r:.60}")
    log = parts.get("log", False)
    if not isinstance(log, bool):
        raise RangeError(f"`log` should be true or false, got {log!r:.60}")
    return make_range(**numbers, log=log)


def make_range(low: float, high: float, step: float | None, log: bool) -> Range:
    """Make a range; RangeError if its bounds or its step are invalid."""
    if not low < high:
        raise RangeError(f"`low` should be below `high`, got {low} and {high}")
    if log and low <= 0:
        raise RangeError(f"`log` needs `low` above 0, got {low}")
    if step is not None and step <= 0:
        raise RangeError(f"`step` should be above 0, got {step}")
    return Range(low, high, step, log)


def parse_text(words: str) -> Mark:
    """Parse a range as `str` prints it, e.g. `32..48 step 2`."""
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
    """Parse a number: an int if it is written as one, otherwise a float."""
    return int(words) if re.fullmatch(r"[+-]?\d+", words) else float(words)


def format_range(mark: Mark) -> str:
    """Format a range so that parsing it gives the same range again."""
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
    """Return whether two ranges are equal, including the types of values: true is not 1."""
    if isinstance(one, Choice) and isinstance(two, Choice):
        return [(type(value), value) for value in one.values] == [(type(value), value) for value in two.values]
    return one == two
