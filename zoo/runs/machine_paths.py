"""Take the paths of a machine out of what is published: only the last name of each stays."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from zoo.registry.entry import Entry

NAMELESS = "data"
"""What stands for a path without a last name, such as `/`."""
PATH_IN_TEXT = re.compile(r"(?<![\w.:/\\~-])(?:~\w*|[A-Za-z]:)?(?:[/\\]+[^\s/\\'\"`,;:()=]+)+[/\\]*")
QUOTED = re.compile(r"(['\"])(.*?)\1")
QUOTES = "\"'"


def is_machine_path(text: str) -> bool:
    """Return whether a text is a path that says where something lies on a machine."""
    absolute = text.startswith(("/", "\\\\", "~")) or re.match(r"[A-Za-z]:[/\\]", text) is not None
    return absolute or ".." in re.split(r"[/\\]", text)


def last_name(path: str) -> str:
    """Return the last name of a path of any system."""
    name = (PureWindowsPath if "\\" in path else PurePosixPath)(path).name
    return NAMELESS if name in ("", "..") or name.startswith("~") else name


def shorten_paths(value: Any) -> Any:
    """Reduce every text in a JSON value that is a path of a machine to its last name."""
    if isinstance(value, dict):
        return {key: shorten_paths(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [shorten_paths(part) for part in value]
    return last_name(value) if isinstance(value, str) and is_machine_path(value) else value


def shorten_in_text(text: str, known: Iterable[str] = ()) -> str:
    """Reduce the paths within a sentence to their last names; `known` are paths that may contain spaces."""
    for path in sorted(known, key=len, reverse=True):
        text = re.sub(rf"{re.escape(path)}(?=[/\\])", "", text)  # the rest is a path as well
        text = re.sub(rf"{re.escape(path)}(?![\w.-])", lambda match: last_name(match[0]), text)
    return PATH_IN_TEXT.sub(lambda match: last_name(match[0]), text)


def shorten_command(command: str, known: Iterable[str] = ()) -> str:
    """Reduce the paths in a shell command, or in a call in Python, to their last names."""
    if command.startswith("zoo."):
        text = QUOTED.sub(lambda match: f"{match[1]}{shorten_paths(match[2])}{match[1]}", command)
        return shorten_in_text(text, known)
    try:
        words = shlex.split(command)
    except ValueError:
        return shorten_in_text(command, known)
    return shlex.join(shorten_word(word) for word in words)


def shorten_word(word: str) -> str:
    """Reduce the path in a word of a command, as `PATH`, `--out=PATH` or `data.path="PATH"`."""
    key, equals, value = word.rpartition("=")
    bare = value.strip(QUOTES)
    if is_machine_path(bare):
        return f"{key}{equals}{value.replace(bare, last_name(bare))}"
    return shorten_in_text(word) if not equals else f"{shorten_in_text(key)}={shorten_in_text(value)}"


def publishable_entry(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON without paths of this machine: their last name, or None where that is the default."""
    dumped = entry.dump()
    for name, component in entry.components.items():
        section = dumped[name]
        for option, field in type(component.spec).model_fields.items():
            if shorten_paths(section.get(option)) != section.get(option) and field.default is None:
                section[option] = None
    return {key: value if key in ("name", "summary") else shorten_paths(value) for key, value in dumped.items()}


def machine_paths(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value that are paths of a machine."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from machine_paths(part)
    elif isinstance(value, str) and is_machine_path(value):
        yield value


def known_paths(entry: Entry, folder: Path) -> list[str]:
    """List the paths of this machine that texts of a run may contain: those of its entry, of its folder and of home."""
    here = [str(folder.absolute()), str(Path.cwd()), os.path.expanduser("~")]  # noqa: PTH111 - without a home this raises nothing
    return [path for path in [*machine_paths(entry.dump()), *here] if len(path) > 1]
