"""The registry: entries and recorded results from layers of YAML files, and `extends`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.core.errors import MissingError, ZooError, did_you_mean, one_line
from zoo.core.files import expand_user
from zoo.core.trust import read_bytes, read_text
from zoo.core.yaml import MAX_DEPTH, Document
from zoo.registry.advice import advise_on_entry
from zoo.registry.catalog import PLUGINS_HINT, catalog
from zoo.registry.overrides import apply_overrides
from zoo.registry.plugins.discover import Plugin
from zoo.registry.raw_entry import Locations, RawEntry, check_keys, option_names, overlay, read_entry
from zoo.registry.registry_text import parse_registry

VERSION = 1
MAX_BYTES = 200_000_000
"""Enough for 100,000 recorded results; entries alone may have MAX_CHARACTERS."""
REGISTRY_KEYS = ("version", "entries", "results")


@dataclass
class Registry:
    """All layers of entries, lowest first, and the recorded results."""

    entries: dict[str, list[RawEntry]] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    layers: int = 0
    plugin_troubles: list[str] = field(default_factory=list)
    """Errors of broken or blocked plugins, which might have provided a missing entry."""

    def add(self, document: Document, name: str, *, users_own: bool = False) -> None:
        """Add one file as the topmost layer; options in a file of the user's own count as typed.

        Raises ZooError and changes nothing if it is not a valid registry.
        """
        data, where = document
        if not isinstance(data, dict):
            raise ZooError(f"{name}: a registry must be a mapping that begins with `version: {VERSION}`")
        check_keys(data, REGISTRY_KEYS, where, "a registry")
        check_version(data, where, name)
        bodies, rows = data.get("entries"), data.get("results")
        bodies, rows = {} if bodies is None else bodies, [] if rows is None else rows
        if not isinstance(bodies, dict):
            raise ZooError(f"{where['entries',]}: `entries` must be a mapping of names to entries")
        if not isinstance(rows, list):
            raise ZooError(f"{where['results',]}: `results` must be a list")
        locations = entry_locations(where)
        raws = [read_entry(key, body, locations.get(key, {}), self.layers + 1) for key, body in bodies.items()]
        if users_own:
            raws = [replace(raw, typed=frozenset(option_names(raw.data))) for raw in raws]
        results = [check_result(row, index, where) for index, row in enumerate(rows)]
        self.layers += 1
        self.results += results
        for raw in raws:
            self.entries.setdefault(raw.name, []).append(raw)

    def resolve(self, name: str, overrides: Iterable[str] = ()) -> RawEntry:
        """Return an entry merged over what it extends, with command-line overrides on top."""
        found, words = self.resolve_extends(name, None, ()), list(overrides)
        self.refuse_entries(words)
        return apply_overrides(found, words)

    def refuse_entries(self, overrides: Iterable[str]) -> None:
        """Raise ZooError for an override that is the name of another entry."""
        for word in overrides:
            if isinstance(word, str) and word in self.entries:
                text = f"{word[:80]!r} is not of the form key=value"
                raise ZooError(text, f"{word[:80]} is an entry too; name one at a time")

    def resolve_extends(self, name: str, below: int | None, chain: tuple[tuple[str, int], ...]) -> RawEntry:
        """Return the topmost entry of a name, merged over what it extends.

        With `below`, only layers below that one count.
        """
        raws = [raw for raw in self.entries.get(name, []) if below is None or raw.layer < below]
        if not raws:
            raise self.missing_entry(name)
        raw = raws[-1]
        parent = raw.data.get("extends")
        if parent is None:
            return raw
        location = f"{raw.location(('extends',))}{name} extends"
        if (name, raw.layer) in chain:
            raise ZooError(f"{location} itself through {' -> '.join([*(link for link, _ in chain), name])}")
        if len(chain) >= MAX_DEPTH:
            raise ZooError(f"{location} {parent!r}, which itself extends others, more than {MAX_DEPTH} levels deep")
        if parent not in self.entries:
            raise ZooError(f"{location} {parent[:80]!r}, which does not exist", did_you_mean(parent, self.entries))
        if parent == name and len(raws) == 1:
            raise ZooError(f"{location} itself, but no registry below has an entry of that name")
        base = self.resolve_extends(parent, raw.layer if parent == name else None, (*chain, (name, raw.layer)))
        return overlay(base, raw)

    def missing_entry(self, name: str) -> ZooError:
        """Make the error for a missing entry; it names broken and blocked plugins."""
        hint = "" if "=" in name else did_you_mean(name, self.entries)
        if self.plugin_troubles and "did you mean" not in hint:
            return MissingError(f"no entry {name[:80]!r}; {'; '.join(self.plugin_troubles)}", PLUGINS_HINT)
        return ZooError(f"no entry {name[:80]!r}", hint or advise_on_entry(name))


def entry_locations(where: Locations) -> dict[str, Locations]:
    """Group the locations of a registry file by entry, each with the path inside the entry."""
    found: dict[str, Locations] = {}
    for path, location in where.items():
        if len(path) > 1 and path[0] == "entries":
            found.setdefault(path[1], {})[path[2:]] = location
    return found


def check_version(data: dict[str, Any], where: Locations, name: str) -> None:
    """Raise ZooError for a file without a version or from a newer zoo."""
    version = data.get("version")
    if "version" not in data:
        raise ZooError(f"{name}: a registry needs `version: {VERSION}` at its top")
    if type(version) is not int or version < 1:
        raise ZooError(f"{where['version',]}: version must be {VERSION}, got {version!r:.80}")
    if version > VERSION:
        raise ZooError(f"{where['version',]}: the file has version {version}, from a newer zoo", "upgrade pixel-zoo")


def check_result(row: Any, index: int, where: Locations) -> dict[str, Any]:
    """Check that a recorded result names its entry and has numeric metrics, and return it."""
    line = where.get(("results", str(index), "entry"), where["results",])
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("entry", "of")):
        raise ZooError(f"{line}: result {index + 1} must be a mapping with the strings `entry` and `of`")
    metrics = row.get("metrics")
    if not isinstance(metrics, dict) or not all(type(value) in (int, float) for value in metrics.values()):
        raise ZooError(f"{line}: result {index + 1} must have `metrics`, a mapping of names to numbers")
    return row


def shipped_registry() -> Path:
    """Return the zoo's own registry file.

    It lies inside the package if installed, and one folder up in a checkout.
    """
    beside = Path(__file__).parents[1] / "registry.yaml"
    return beside if beside.is_file() else beside.parents[1] / "registry.yaml"


def user_registry() -> Path:
    """Return the user's registry file, in ZOO_CONFIG or in the user's configuration folder."""
    from platformdirs import user_config_path

    folder = os.environ.get("ZOO_CONFIG")
    return (expand_user(folder) if folder else user_config_path("pixel-zoo", appauthor=False)) / "registry.yaml"


def read_registry(extra: Iterable[Path] = ()) -> tuple[Registry, list[str]]:
    """Read all layers; returns the registry and one message per file that was skipped.

    Lowest first: the zoo's own, those of plugins, the user's, the project's, and `--registry` files.
    """
    registry, problems = installed_registry(catalog().plugins)
    registry.plugin_troubles = [plugin.trouble for plugin in catalog().plugins if plugin.trouble]
    for file in (user_registry(), Path("registry.yaml")):
        if file.exists() and not same_content(file, shipped_registry()):
            registry.add(read_registry_file(file), str(file), users_own=True)
    for file in extra:
        registry.add(read_registry_file(file), str(file), users_own=True)
    return registry, problems


def installed_registry(plugins: Iterable[Plugin] = ()) -> tuple[Registry, list[str]]:
    """Read the layers of the zoo and its plugins only.

    Returns the registry and one message per file that was skipped.
    """
    registry = Registry()
    registry.add(read_registry_file(shipped_registry(), "registry.yaml"), "registry.yaml")
    problems = [problem for plugin in plugins for problem in add_plugin(registry, plugin)]
    return registry, problems


def add_plugin(registry: Registry, plugin: Plugin) -> list[str]:
    """Add the registry files of one plugin; returns one message per file that was skipped."""
    problems = []
    for file in plugin.registries:
        try:
            name = f"{plugin.name}:{file.name}"
            registry.add(parse_registry(file.read_text(encoding="utf-8-sig"), name), name)
        except Exception as error:  # a plugin may yield any object that looks like a file
            text = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            problems.append(one_line(f"skipped a registry of {plugin}: {text}"[:400]))
    return problems


def same_content(one: Path, two: Path) -> bool:
    """Return whether two files have the same content, as in a checkout."""
    try:
        return read_bytes(one) == read_bytes(two)
    except OSError:
        return False


def read_registry_file(path: Path, name: str = "") -> Document:
    """Read and parse one registry file as UTF-8; ZooError if that fails."""
    try:
        if not path.is_file():
            raise ZooError(f"cannot read the registry {path}: {'not a file' if path.exists() else 'no such file'}")
        if path.stat().st_size > MAX_BYTES:
            raise ZooError(f"{path}: larger than {MAX_BYTES:,} bytes; is it really a registry?")
        return parse_registry(read_text(path, "utf-8-sig"), name or str(path))
    except UnicodeError as error:
        raise ZooError(f"cannot read the registry {path}: not UTF-8 text ({error})") from None
    except OSError as error:
        raise ZooError(f"cannot read the registry {path}: {error.strerror or error}") from None
