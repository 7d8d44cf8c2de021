"""Cached probe results, and what can be learned of a plugin's files without importing it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from zoo.core.files import cache_dir, digest, remove
from zoo.core.trust import load_json, user_id
from zoo.core.version import API, __version__

MAX_FILES = 2000
"""Largest number of files of either sort in the fingerprint of a plugin."""
CODE = (".py",)
TABLES = (".json", ".yaml", ".yml")
"""How the names of registry files end, and of indexes of weights: what a plugin provides depends on them too."""
LEVEL_PATTERN = re.compile(r"^ZOO_API\s*(?::[^=\n]*)?=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)
CACHE_FILE = re.compile(r"[a-z0-9-]{0,41}-[0-9a-f]{12}\.json")
SCHEMA = 2
SLOW_IMPORT_SECONDS = 1.0
"""An import that takes longer, in seconds, is reported."""
METADATA_SUFFIXES = (".dist-info", ".egg-info", ".pth", ".egg-link")


def module_of(point: EntryPoint) -> str:
    """Return the module of an entry point; empty if it is malformed."""
    try:
        return point.module
    except AttributeError:
        return ""


def package_paths(point: EntryPoint) -> list[Path]:
    """Return the folders of the top-level package, or the file of a top-level module."""
    top = module_of(point).partition(".")[0]
    try:
        spec = find_spec(top)
    except Exception:  # third-party import hooks may raise anything
        return []
    if spec is None:
        return []
    return [Path(path) for path in spec.submodule_search_locations or [spec.origin or ""] if path]


def code_location(point: EntryPoint) -> str:
    """Return the path of a plugin's code; empty if unknown."""
    return str(next(iter(package_paths(point)), ""))


def files_of(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of a package that end in one of the suffixes, or the file of a module."""
    if not root.is_dir():
        yield root
        return
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name != "__pycache__" and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith(suffixes))


def code_fingerprint(point: EntryPoint) -> str:
    """Fingerprint a plugin's files: the version of an editable installation does not change with them."""
    seen = []
    for root in package_paths(point):
        # each sort counts alone, so that a package with many tables still has its code in the fingerprint
        for path in chain.from_iterable(islice(files_of(root, sort), MAX_FILES) for sort in (CODE, TABLES)):
            with suppress(OSError):
                state = path.stat()
                seen.append([str(path), state.st_mtime_ns, state.st_size])
    return digest(seen)[:16]


def declared_level(point: EntryPoint) -> int | None:
    """Read the API level from the source of the hook module, if it declares one."""
    _, *inner = module_of(point).split(".")
    for root in package_paths(point):
        path = root.joinpath(*inner) if root.is_dir() else root
        for file in (path / "__init__.py", path.with_suffix(".py"), path):
            with suppress(OSError):
                if file.is_file():
                    found = LEVEL_PATTERN.search(file.read_text(encoding="utf-8", errors="replace"))
                    return int(found[1]) if found else None
    return None


class KindSummary(NamedTuple):
    """A kind for a listing, known without importing its plugin."""

    family: str
    name: str
    summary: str


class ProbeResult(BaseModel):
    """The result of probing a plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error: str = ""
    """Why the plugin is broken; empty if it works."""
    kinds: tuple[KindSummary, ...] = ()
    registries: bool = False
    """Whether it has registry files."""
    weights: bool = False
    """Whether it ships weights."""
    level: int = API
    """The API level that the plugin was written for."""
    seconds: float | None = None
    """Seconds that its import took; None if it did not finish."""
    heavy: tuple[str, ...] = ()
    """Large libraries that it imports at import time."""
    changed: tuple[str, ...] = ()
    """Global state that its import changes."""
    printed: str = ""
    """The beginning of what its import prints to stdout."""

    @property
    def notes(self) -> list[str]:
        """Describe what it does at import time and should not do."""
        return [
            *([f"its import takes {self.seconds:.1f} s"] if (self.seconds or 0) > SLOW_IMPORT_SECONDS else []),
            *([f"it imports {', '.join(self.heavy)}; import that in `build` instead"] if self.heavy else []),
            *(f"it changes {name}" for name in self.changed),
            *([f"it prints to stdout: {self.printed!r}"] if self.printed else []),
        ]


@dataclass(frozen=True)
class ProbeRecord:
    """The cached probe result of one plugin, with the key for which it is valid."""

    point: EntryPoint
    file: Path
    key: dict[str, Any] = field(default_factory=dict)
    environment: str = ""
    """Fingerprint of the installed packages: a broken plugin is probed again when they change."""

    @classmethod
    def of(cls, point: EntryPoint, distribution: tuple[str, str]) -> ProbeRecord:
        """Make the record of an installed plugin in its current state."""
        what = {"plugin": point.name, "value": point.value, "distribution": distribution[0]}
        slug = re.sub(r"[^a-z0-9]+", "-", point.name.lower())[:40]
        file = probe_cache_folder() / f"{slug}-{digest([what, code_location(point), user_id()])[:12]}.json"
        key = what | {"version": distribution[1], "files": code_fingerprint(point), "python": sys.version}
        return cls(point, file, key | {"zoo": __version__, "level": API}, environment_fingerprint(point))

    def read(self) -> ProbeResult | None:
        """Read the cached result; None if there is none or the plugin has changed since."""
        try:
            kept = load_json(self.file, own=True)
            if kept["schema"] != SCHEMA or kept["key"] != self.key:
                return None
            result = ProbeResult.model_validate(kept["verdict"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return result if not result.error or kept.get("around") == self.environment else None

    def to_json(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the content of the cache file."""
        return {"schema": SCHEMA, "key": self.key, "around": self.environment, "verdict": result}


def probe_cache_folder() -> Path:
    """Return the folder of cached probe results."""
    return cache_dir() / "plugins"


def clear_probe_cache() -> None:
    """Delete all cached probe results, as far as possible, and nothing else."""
    for file in probe_cache_folder().glob("*.json"):
        if CACHE_FILE.fullmatch(file.name):
            remove(file)


def environment_fingerprint(point: EntryPoint) -> str:
    """Fingerprint the packages that are installed in the plugin's site folder."""
    names: list[str] = []
    with suppress(Exception):
        site = str(point.dist.locate_file("")) if point.dist else ""
        names = sorted(name for name in os.listdir(site) if name.endswith(METADATA_SUFFIXES))  # noqa: PTH208 - names alone
    return digest(names)[:16]
