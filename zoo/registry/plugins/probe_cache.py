"""A plugin's files, found without importing it: where they are, whether they changed, what API level they declare."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from zoo.core.files import cache_dir, digest
from zoo.core.version import API, __version__

MAX_FILES = 2000
"""Files of a plugin that are looked at."""
LEVEL_PATTERN = re.compile(r"^ZOO_API\s*(?::[^=\n]*)?=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)
SCHEMA = 1
SLOW_IMPORT_SECONDS = 1.0
"""Seconds of import that are noted."""
METADATA_SUFFIXES = (".dist-info", ".egg-info", ".pth", ".egg-link")


def module_of(point: EntryPoint) -> str:
    """The module that an entry point names; empty where it names none."""
    try:
        return point.module
    except AttributeError:
        return ""


def package_paths(point: EntryPoint) -> list[Path]:
    """The folders of the top package, or the file of the top module; none where there is no such thing."""
    top = module_of(point).partition(".")[0]
    try:
        spec = find_spec(top)
    except Exception:  # whatever an import hook of somebody else raises
        return []
    if spec is None:
        return []
    return [Path(place) for place in spec.submodule_search_locations or [spec.origin or ""] if place]


def code_location(point: EntryPoint) -> str:
    """Where a plugin's code is; empty where that is not known."""
    return str(next(iter(package_paths(point)), ""))


def python_files(root: Path) -> Iterator[Path]:
    """The Python files of a package, or the one of a module."""
    if not root.is_dir():
        yield root
        return
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name != "__pycache__" and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def code_fingerprint(point: EntryPoint) -> str:
    """Changes when a file of the plugin does: an author's editable installation has always the same version."""
    seen = []
    for root in package_paths(point):
        for path in islice(python_files(root), MAX_FILES):
            with suppress(OSError):
                state = path.stat()
                seen.append([str(path), state.st_mtime_ns, state.st_size])
    return digest(seen)[:16]


def declared_level(point: EntryPoint) -> int | None:
    """The API level that the text of the hook module declares; None where it declares none or cannot be found."""
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
    """A kind as a listing shows it; the plugin need not be imported for that."""

    family: str
    name: str
    summary: str


class ProbeResult(BaseModel):
    """What the probe of a plugin found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error: str = ""
    """Why the plugin is left out; empty if it works."""
    kinds: tuple[KindSummary, ...] = ()
    registries: bool = False
    """Whether it has registry files."""
    level: int = API
    """The API level that it is written for."""
    seconds: float | None = None
    """That its import took; None if it did not end."""
    heavy: tuple[str, ...] = ()
    """Large libraries that its import imports."""
    changed: tuple[str, ...] = ()
    """What all code of a process shares, and its import changes."""
    printed: str = ""
    """The beginning of what its import prints to stdout."""

    @property
    def notes(self) -> list[str]:
        """What it does at import that it had better not do, each in a few words."""
        return [
            *([f"its import takes {self.seconds:.1f} s"] if (self.seconds or 0) > SLOW_IMPORT_SECONDS else []),
            *([f"it imports {', '.join(self.heavy)}; leave that to `build`"] if self.heavy else []),
            *(f"it changes {name}" for name in self.changed),
            *([f"it prints to stdout: {self.printed!r}"] if self.printed else []),
        ]


@dataclass(frozen=True)
class ProbeRecord:
    """The place of one plugin's verdict, and what the verdict is of."""

    point: EntryPoint
    file: Path
    key: dict[str, Any] = field(default_factory=dict)
    environment: str = ""
    """What else is installed: with that, a plugin that is broken may work."""

    @classmethod
    def of(cls, point: EntryPoint, distribution: tuple[str, str]) -> ProbeRecord:
        """The record of an installed plugin as it is now."""
        what = {"plugin": point.name, "value": point.value, "distribution": distribution[0]}
        slug = re.sub(r"[^a-z0-9]+", "-", point.name.lower())[:40]
        file = probe_cache_folder() / f"{slug}-{digest([what, code_location(point)])[:12]}.json"
        key = what | {"version": distribution[1], "files": code_fingerprint(point), "python": sys.version}
        return cls(point, file, key | {"zoo": __version__, "level": API}, environment_fingerprint(point))

    def read(self) -> ProbeResult | None:
        """The verdict, if there is one and nothing has changed since."""
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
            if kept["schema"] != SCHEMA or kept["key"] != self.key:
                return None
            verdict = ProbeResult.model_validate(kept["verdict"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return verdict if not verdict.error or kept.get("around") == self.environment else None

    def to_json(self, verdict: dict[str, Any]) -> dict[str, Any]:
        """What the file holds."""
        return {"schema": SCHEMA, "key": self.key, "around": self.environment, "verdict": verdict}


def probe_cache_folder() -> Path:
    """Where verdicts are kept."""
    return cache_dir() / "plugins"


def clear_probe_cache() -> None:
    """Drop all verdicts that can be dropped."""
    shutil.rmtree(probe_cache_folder(), ignore_errors=True)


def environment_fingerprint(point: EntryPoint) -> str:
    """Changes when something is installed or removed beside the plugin."""
    names: list[str] = []
    with suppress(Exception):
        site = str(point.dist.locate_file("")) if point.dist else ""
        names = sorted(name for name in os.listdir(site) if name.endswith(METADATA_SUFFIXES))  # noqa: PTH208 - names alone
    return digest(names)[:16]
