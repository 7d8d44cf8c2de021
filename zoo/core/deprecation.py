"""Deprecation of functions, classes and option names, for the zoo and for plugins."""

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
    """Mark a function or a class as deprecated.

    Each call of the function or class emits a ZooDeprecationWarning.

    Args:
        advice: What to use instead, as the end of the warning: "use fit()".
        since: The version of the package in which it became deprecated.
        removed: The version of the package that no longer has it.

    Returns:
        A decorator that adds the warning.

    Example:
        >>> import warnings
        >>> from zoo.core import deprecated
        >>> @deprecated("use fit()", since="0.2", removed="0.4")
        ... def learn() -> int:
        ...     return 3
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     result = learn()
        >>> result, caught[0].category.__name__
        (3, 'ZooDeprecationWarning')
    """

    def mark(thing: T) -> T:
        package = thing.__module__.partition(".")[0]
        subject = f"{package}: {thing.__qualname__}"
        text = f"{subject} has been deprecated since {since} and will be removed in {removed}; {advice}"
        marked: T = typing_extensions.deprecated(text, category=ZooDeprecationWarning)(thing)
        return marked

    return mark


@dataclass(frozen=True)
class Renamed:
    """The former name of an option, as metadata in its `Annotated` type.

    The former name is still accepted in registry files, overrides and run folders, with a ZooDeprecationWarning.

    Args:
        name: The former name.
        since: The version of the package that renamed the option.
        removed: The version of the package that no longer accepts the former name.

    Example:
        >>> import warnings
        >>> from typing import Annotated
        >>> from zoo.core import Renamed, Spec
        >>> class Options(Spec):
        ...     width: Annotated[int, Renamed("size", since="0.2", removed="0.4")] = 3
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     Options.model_validate({"size": 5}).width
        5
    """

    name: str
    since: str
    removed: str

    def warn(self, owner: type, now: str) -> None:
        """Warn that the former name of an option was used.

        Args:
            owner: The spec class that has the option.
            now: The current name of the option.
        """
        text = f"the option {self.name!r} of {owner.__name__} has been called {now!r} since {self.since}"
        warnings.warn(f"{text} and will no longer be accepted in {self.removed}", ZooDeprecationWarning, stacklevel=2)


def former_names(fields: dict[str, FieldInfo]) -> dict[str, tuple[str, Renamed]]:
    """Map each former name to the current name and its mark."""
    marks = ((name, mark) for name, field in fields.items() for mark in field.metadata)
    return {mark.name: (name, mark) for name, mark in marks if isinstance(mark, Renamed)}


def replace_former_names(owner: type, fields: dict[str, FieldInfo], options: Any) -> Any:
    """Replace former option names by the current ones; if both are given, the later one wins."""
    old = former_names(fields)
    if not isinstance(options, dict) or not old.keys() & options.keys():
        return options
    new: dict[str, Any] = {}
    for name, value in options.items():
        now, mark = old.get(name, (name, None))
        if mark:
            mark.warn(owner, now)
        new[now] = value
    return new
