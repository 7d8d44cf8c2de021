"""Raw entries as written in registry files: merging and overrides, before validation against a kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.files import LEGAL_NAME

SECTIONS = ("data", "model", "prior", "text", "train", "tune")
SECTION_PREFIXES = ", ".join(f"{section}." for section in SECTIONS[:-1]) + f" or {SECTIONS[-1]}."
ENTRY_KEYS = ("summary", "extends", *SECTIONS)
DEFAULT_DATA: dict[str, Any] = {"kind": "digits"}
Locations = dict[tuple[str, ...], str]


@dataclass(frozen=True)
class RawEntry:
    """An entry as written in a registry, with the location of each of its parts."""

    name: str
    data: dict[str, Any]
    where: Locations
    layer: int = 0
    typed: frozenset[str] = frozenset()
    """Dotted names of the options that overrides or a registry file of the user set."""
    other_pictures: bool = False
    """Whether overrides replaced the pictures that the entry names."""

    def location(self, path: tuple[str, ...] = ()) -> str:
        """Return `file:line: ` of a part, or of the nearest known enclosing part."""
        while path and path not in self.where:
            path = path[:-1]
        return f"{self.where[path]}: " if path in self.where else ""


def read_entry(name: str, body: Any, where: Locations, layer: int) -> RawEntry:
    """Check the outer structure of an entry and make a RawEntry of it."""
    raw = RawEntry(name, body, where, layer)
    if not LEGAL_NAME.fullmatch(name):
        raise ZooError(
            f"{raw.location()}the entry name {name[:60]!r} may only contain letters, digits, '.', '_' and '-'"
        )
    if not isinstance(body, dict):
        raise ZooError(f"{raw.location()}the entry {name!r} must be a mapping with `model`, `data` and `train`")
    check_keys(body, ENTRY_KEYS, where, name)
    for section in SECTIONS:
        if section in body and not isinstance(body[section], dict):
            raise ZooError(f"{raw.location((section,))}{name}.{section} must be a mapping")
    for key in ("summary", "extends"):
        if key in body and not isinstance(body[key], str):
            raise ZooError(f"{raw.location((key,))}{name}.{key} must be a string")
    return raw


def option_names(body: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the options that an entry sets."""
    for key, value in body.items():
        if isinstance(value, dict) and value:
            yield from option_names(value, f"{prefix}{key}.")
        elif prefix:
            yield f"{prefix}{key}"


def check_keys(data: Mapping[str, Any], known: Iterable[str], where: Locations, what: str) -> None:
    """Raise ZooError for an unknown key."""
    for key in data:
        if key not in known:
            location = f"{where[key,]}: " if (key,) in where else ""
            raise ZooError(f"{location}{what} has no section {key[:80]!r}", did_you_mean(key, known))


def overlay(base: RawEntry, over: RawEntry) -> RawEntry:
    """Merge two entries key by key.

    A section whose `kind` changes is replaced as a whole, and its search ranges are dropped.
    """
    data = {key: value for key, value in base.data.items() if key != "extends"}
    kinds = {key: (kind_of(base, key), kind_of(over, key)) for key in over.data}
    data |= drop_changed_search(data, [key for key, (old, new) in kinds.items() if old and new and old != new])
    where = {path: location for path, location in base.where.items() if path[:1] != ("extends",)}
    for key, value in over.data.items():
        if key == "extends":
            continue
        below = data.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and value.get("kind", None) in (None, below.get("kind")):
            data[key] = deep_merge(below, value)
        else:
            data[key] = value
            where = {path: location for path, location in where.items() if path[:1] != (key,)}
    other = base.other_pictures or over.other_pictures
    return RawEntry(over.name, data, where | over.where, over.layer, base.typed | over.typed, other)


def kind_of(raw: RawEntry, section: str) -> Any:
    """Return the kind of a section, or None if it sets none."""
    body = raw.data.get(section)
    return body.get("kind") if isinstance(body, dict) else None


def drop_changed_search(data: dict[str, Any], changed: list[str]) -> dict[str, Any]:
    """Return `tune` without the search ranges of sections whose kind changed.

    Returns an empty mapping if nothing needs to be dropped.
    """
    tune = data.get("tune")
    if not changed or not isinstance(tune, dict) or not isinstance(tune.get("space"), dict):
        return {}
    kept = {key: mark for key, mark in tune["space"].items() if key.partition(".")[0] not in changed}
    return {"tune": tune | {"space": kept}}


def deep_merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; everything else is replaced."""
    both = {
        key: deep_merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in over.items()
    }
    return base | both


def option_of(word: str) -> str:
    """Return the option that a `key=value` override sets."""
    return word.partition("=")[0].strip()


def typed_options(overrides: Iterable[str]) -> list[str]:
    """Return the options that `key=value` overrides set."""
    return [option_of(word) for word in overrides]


def is_fixed(path: str, fixed: Iterable[str]) -> bool:
    """Return whether an option, or a mapping that contains it, is among dotted names."""
    return any(path == one or path.startswith(f"{one}.") for one in fixed)


def set_nested(data: dict[str, Any], keys: Iterable[str], value: Any) -> None:
    """Set a value in nested mappings, creating those that are missing."""
    *outer, last = keys
    for key in outer:
        data = data.setdefault(key, {})
    data[last] = value
