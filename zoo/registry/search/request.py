"""What an entry's `tune.space` asks for, option by option, however it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from zoo.core.errors import ZooError
from zoo.registry.raw_entry import Raw

LINE = "command line: "


class SearchRequest(NamedTuple):
    """One part of `tune.space`."""

    path: str
    """The option, as `model.first`."""
    keys: tuple[str, ...]
    """The keys under `tune.space` that lead to it: `model.first` or `model`, `first`."""
    value: Any

    def place(self, raw: Raw) -> str:
        """`file:line: ` of it."""
        return raw.place(("tune", "space", *self.keys))

    def fail(self, raw: Raw, text: object, hint: str = "") -> ZooError:
        """The error that something is wrong with it."""
        return ZooError(f"{self.place(raw)}{raw.name}.tune.space.{self.path[:120]}: {text}", hint)


def flatten(
    space: Mapping[str, Any], inner: Callable[[str], bool], keys: tuple[str, ...] = ()
) -> Iterator[SearchRequest]:
    """Every option that stands in nested mappings or under dotted keys; `inner` knows which paths hold options."""
    for key, value in space.items():
        written = (*keys, str(key))
        path = ".".join(written)
        if isinstance(value, Mapping) and inner(path):
            yield from flatten(value, inner, written)
        else:
            yield SearchRequest(path, written, value)


def collect_requests(raw: Raw, space: Mapping[str, Any], inner: Callable[[str], bool]) -> dict[str, SearchRequest]:
    """What is asked of each option; where it stands twice, nested and dotted, the two merge as layers do."""
    found: dict[str, SearchRequest] = {}
    for asked in flatten(space, inner):
        below = found.get(asked.path)
        found[asked.path] = asked if below is None else merge_requests(raw, below, asked)
    return found


def merge_requests(raw: Raw, one: SearchRequest, two: SearchRequest) -> SearchRequest:
    """The second over the first, but the command line over a file."""
    low, high = (two, one) if one.place(raw) == LINE != two.place(raw) else (one, two)
    both = isinstance(low.value, Mapping) and isinstance(high.value, Mapping)
    return high._replace(value={**low.value, **high.value}) if both else high
