"""Raw entries: what is written in a registry file, laid over each other; nothing is validated against a kind here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.files import LEGAL_NAME
from zoo.core.yaml import MAX_DEPTH, parse_value

SECTIONS = ("data", "model", "prior", "text", "train", "tune")
SECTION_PREFIXES = ", ".join(f"{section}." for section in SECTIONS[:-1]) + f" or {SECTIONS[-1]}."
ENTRY_KEYS = ("summary", "extends", *SECTIONS)
Locations = dict[tuple[str, ...], str]


@dataclass(frozen=True)
class RawEntry:
    """An entry as it is written, with the place of each of its parts."""

    name: str
    data: dict[str, Any]
    where: Locations
    layer: int = 0

    def place(self, path: tuple[str, ...] = ()) -> str:
        """`file:line: ` of a part, or of the nearest part around it that has a place."""
        while path and path not in self.where:
            path = path[:-1]
        return f"{self.where[path]}: " if path in self.where else ""


def read_entry(name: str, body: Any, where: Locations, layer: int) -> RawEntry:
    """Check the outer shape of an entry."""
    mine = {path[2:]: place for path, place in where.items() if path[:2] == ("entries", name)}
    raw = RawEntry(name, body, mine, layer)
    if not LEGAL_NAME.fullmatch(name):
        raise ZooError(f"{raw.place()}the entry name {name[:60]!r} may hold letters, digits, '.', '_' and '-' only")
    if not isinstance(body, dict):
        raise ZooError(f"{raw.place()}the entry {name!r} must be a mapping with `model`, `data` and `train`")
    check_keys(body, ENTRY_KEYS, mine, name)
    for section in SECTIONS:
        if section in body and not isinstance(body[section], dict):
            raise ZooError(f"{raw.place((section,))}{name}.{section} must be a mapping")
    for key in ("summary", "extends"):
        if key in body and not isinstance(body[key], str):
            raise ZooError(f"{raw.place((key,))}{name}.{key} must be a text")
    return raw


def check_keys(data: Mapping[str, Any], known: Iterable[str], where: Locations, what: str) -> None:
    """Refuse a key that nobody reads."""
    for key in data:
        if key not in known:
            place = f"{where[key,]}: " if (key,) in where else ""
            raise ZooError(f"{place}{what} has no part {key[:80]!r}", did_you_mean(key, known))


def overlay(base: RawEntry, over: RawEntry) -> RawEntry:
    """Merge key by key; a section whose `kind` changes starts afresh, and so does the search of its options."""
    data = {key: value for key, value in base.data.items() if key != "extends"}
    kinds = {key: (kind_of(base, key), kind_of(over, key)) for key in over.data}
    data |= drop_changed_search(data, [key for key, (old, new) in kinds.items() if old and new and old != new])
    where = {path: place for path, place in base.where.items() if path[:1] != ("extends",)}
    for key, value in over.data.items():
        if key == "extends":
            continue
        below = data.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and value.get("kind", None) in (None, below.get("kind")):
            data[key] = deep_merge(below, value)
        else:
            data[key] = value
            where = {path: place for path, place in where.items() if path[:1] != (key,)}
    return RawEntry(over.name, data, where | over.where, over.layer)


def kind_of(raw: RawEntry, section: str) -> Any:
    """The kind that a section names; None where it names none."""
    body = raw.data.get(section)
    return body.get("kind") if isinstance(body, dict) else None


def drop_changed_search(data: dict[str, Any], changed: list[str]) -> dict[str, Any]:
    """The `tune` of an entry, if it has any, without the search of sections whose kind is another one now."""
    tune = data.get("tune")
    if not changed or not isinstance(tune, dict) or not isinstance(tune.get("space"), dict):
        return {}
    kept = {key: mark for key, mark in tune["space"].items() if key.partition(".")[0] not in changed}
    return {"tune": tune | {"space": kept}}


def deep_merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge, everything else is replaced."""
    both = {
        key: deep_merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in over.items()
    }
    return base | both


def apply_overrides(raw: RawEntry, texts: Iterable[str]) -> RawEntry:
    """An entry with `key=value` texts as its topmost layer; of two for the same key the later holds."""
    data: dict[str, Any] = {}
    where: Locations = {}
    for text in texts:
        path, value = read_override(raw.name, text)
        where |= {path[:depth]: "command line" for depth in range(1, len(path) + 1)}
        for part in reversed(path):
            value = {part: value}
        data = deep_merge(data, value)
    return overlay(raw, RawEntry(raw.name, data, where, raw.layer)) if data else raw


def read_override(name: str, text: str) -> tuple[tuple[str, ...], Any]:
    """The path and the value of `model.latent=32`."""
    if not isinstance(text, str):
        raise ZooError(f"{text!r:.80} is not a text", "options are texts, as 'train.epochs=10'")
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path) or len(path) > MAX_DEPTH:
        raise ZooError(f"{text[:80]!r} is not key=value, as in train.epochs=10")
    if path[0] not in SECTIONS:
        meant = " or ".join(f"{section}.{key}" for section in ("model", "train"))
        advice = f"perhaps {meant}; see them with: zoo show {name} --options" if len(path) == 1 else ""
        raise ZooError(f"{key[:80]!r} is no option of {name}: it must begin with {SECTION_PREFIXES}", advice[:200])
    if len(path) < 2:
        raise ZooError(f"{key!r} is a whole section", f"name an option of it, as in {key}.NAME=VALUE")
    return path, parse_value(value, key)
