"""Name the plugin whose code raised an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

from zoo.core.errors import MissingError, ZooError, as_out_of_memory
from zoo.registry.entry import Component, Entry
from zoo.registry.kinds import Kind
from zoo.registry.plugins.blocklist import OWN

T = TypeVar("T")


@contextmanager
def plugin_errors(component: Component[Kind], what: str) -> Iterator[None]:
    """Turn an exception from a plugin's code into a one-line error that names it."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if memory_error := as_out_of_memory(error):
            raise memory_error from error
        if component.plugin.distribution == OWN:
            raise
        text = f"{component.plugin} cannot {what} {component.name!r}: {type(error).__name__}: {error}"
        raise MissingError(text, "report it to its authors; add --traceback to see where") from error


def expect(made: object, kind: type[T]) -> T:
    """Return what a plugin made if it is of the right type; TypeError otherwise, for `plugin_errors`."""
    if not isinstance(made, kind):
        raise TypeError(f"it returns a {type(made).__name__}, not a {kind.__name__}")
    return made


@contextmanager
def model_errors(entry: Entry, what: str) -> Iterator[None]:
    """Turn an exception from a third-party model into an error that names its plugin."""
    try:
        yield
    except (ZooError, OSError):
        raise
    except Exception as error:
        third_party = [component for component in entry.components.values() if component.plugin.distribution != OWN]
        if not third_party or as_out_of_memory(error):
            raise
        lines = {component: last_line_below(component.plugin.location, error) for component in third_party}
        component = next((component for component, line in lines.items() if line), third_party[0])
        text = f"{component.plugin} failed during {what}: {type(error).__name__}: {error}"[:400]
        advice = f"check it with `zoo check {component.plugin.name}`, or add --traceback to see where"
        raise MissingError(f"{text}{lines[component]}", advice) from error


def last_line_below(location: str, error: BaseException) -> str:
    """Return the last traceback line below a location, as ` (file.py:12)`, or an empty string."""
    frames = extract_tb(error.__traceback__)
    inside = [frame for frame in frames if location and Path(frame.filename).is_relative_to(location)]
    return f" ({Path(inside[-1].filename).name}:{inside[-1].lineno})" if inside else ""
