"""Name the plugin whose code raised an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from zoo.core.errors import MissingError, ZooError, as_out_of_memory
from zoo.registry.entry import Component, Entry
from zoo.registry.plugins.blocklist import OWN


@contextmanager
def plugin_errors(chosen: Component, what: str) -> Iterator[None]:
    """Turn what a plugin's own code raises within the block into an error of one line that names the plugin."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if short := as_out_of_memory(error):
            raise short from error
        if chosen.plugin.distribution == OWN:
            raise
        text = f"{chosen.plugin} cannot {what} {chosen.name!r}: {type(error).__name__}: {error}"
        raise MissingError(text, "tell its authors; --traceback shows where") from error


@contextmanager
def model_errors(entry: Entry, what: str) -> Iterator[None]:
    """Name the plugin of a third-party model in what the model raises within the block."""
    try:
        yield
    except (ZooError, OSError):
        raise
    except Exception as error:
        strangers = [chosen for chosen in entry.kinds() if chosen.plugin.distribution != OWN]
        if not strangers or as_out_of_memory(error):
            raise
        places = {chosen: last_line_below(chosen.plugin.location, error) for chosen in strangers}
        chosen = next((chosen for chosen, place in places.items() if place), strangers[0])
        text = f"{chosen.plugin} fails in {what}: {type(error).__name__}: {error}"[:400]
        advice = f"`zoo check {chosen.plugin.name}` tries its rules, --traceback shows where"
        raise MissingError(f"{text}{places[chosen]}", advice) from error


def last_line_below(location: str, error: BaseException) -> str:
    """` (file.py:12)`, the last line below a location that an error came by; empty where there is none."""
    frames = extract_tb(error.__traceback__)
    inside = [frame for frame in frames if location and Path(frame.filename).is_relative_to(location)]
    return f" ({Path(inside[-1].filename).name}:{inside[-1].lineno})" if inside else ""
