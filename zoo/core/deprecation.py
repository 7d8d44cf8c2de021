"""Deprecation, for the zoo and for plugins: what goes says so for a while, and what takes its place."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import typing_extensions
from pydantic.fields import FieldInfo

from zoo.core.errors import ZooDeprecationWarning

T = TypeVar("T", bound=Callable[..., Any])


def deprecated(advice: str, *, since: str, removed: str) -> Callable[[T], T]:
    """Mark a function or a class: `@deprecated("use fit()", since="0.2", removed="0.4")`.

    Each call warns with a ZooDeprecationWarning. `since` and `removed` are versions of the package that it is in.
    """

    def mark(thing: T) -> T:
        package = thing.__module__.partition(".")[0]
        text = f"{package}: {thing.__qualname__} is deprecated since {since} and will be removed in {removed}; {advice}"
        marked: T = typing_extensions.deprecated(text, category=ZooDeprecationWarning)(thing)
        return marked

    return mark


@dataclass(frozen=True)
class Renamed:
    """The former name of an option: `width: Annotated[int, Renamed("size", since="0.2", removed="0.4")] = 3`.

    It is still read in registry files, overrides and run folders, with a ZooDeprecationWarning.
    """

    name: str
    since: str
    removed: str

    def warn(self, owner: type, now: str) -> None:
        """Say that the former name was used."""
        text = f"the option {self.name!r} of {owner.__name__} is called {now!r} since {self.since}"
        warnings.warn(f"{text} and will not be read in {self.removed}", ZooDeprecationWarning, stacklevel=2)


def former(fields: dict[str, FieldInfo]) -> dict[str, tuple[str, Renamed]]:
    """The options that were renamed, by their former names."""
    marks = ((name, mark) for name, field in fields.items() for mark in field.metadata)
    return {mark.name: (name, mark) for name, mark in marks if isinstance(mark, Renamed)}


def renamed(owner: type, fields: dict[str, FieldInfo], options: Any) -> Any:
    """Options with the names of today; where one has both names, that which stands later holds."""
    old = former(fields)
    if not isinstance(options, dict) or not old.keys() & options.keys():
        return options
    new: dict[str, Any] = {}
    for name, value in options.items():
        now, mark = old.get(name, (name, None))
        if mark:
            mark.warn(owner, now)
        new[now] = value
    return new
