"""A plugin's files, found without importing it: where they are, whether they changed, what API level they declare."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from zoo.files import digest

MOST = 2000
"""Files of a plugin that are looked at."""
LEVEL = re.compile(r"^ZOO_API\s*(?::[^=\n]*)?=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


def module_of(point: EntryPoint) -> str:
    """The module that an entry point names; empty where it names none."""
    try:
        return point.module
    except AttributeError:
        return ""


def roots(point: EntryPoint) -> list[Path]:
    """The folders of the top package, or the file of the top module; none where there is no such thing."""
    top = module_of(point).partition(".")[0]
    try:
        spec = find_spec(top)
    except Exception:  # whatever an import hook of somebody else raises
        return []
    if spec is None:
        return []
    return [Path(place) for place in spec.submodule_search_locations or [spec.origin or ""] if place]


def location(point: EntryPoint) -> str:
    """Where a plugin's code is; empty where that is not known."""
    return str(next(iter(roots(point)), ""))


def sources(root: Path) -> Iterator[Path]:
    """The Python files of a package, or the one of a module."""
    if not root.is_dir():
        yield root
        return
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name != "__pycache__" and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def stamp(point: EntryPoint) -> str:
    """Changes when a file of the plugin does: an author's editable installation has always the same version."""
    seen = []
    for root in roots(point):
        for path in islice(sources(root), MOST):
            with suppress(OSError):
                state = path.stat()
                seen.append([str(path), state.st_mtime_ns, state.st_size])
    return digest(seen)[:16]


def declared(point: EntryPoint) -> int | None:
    """The API level that the text of the hook module declares; None where it declares none or cannot be found."""
    _, *inner = module_of(point).split(".")
    for root in roots(point):
        path = root.joinpath(*inner) if root.is_dir() else root
        for file in (path / "__init__.py", path.with_suffix(".py"), path):
            with suppress(OSError):
                if file.is_file():
                    found = LEVEL.search(file.read_text(encoding="utf-8", errors="replace"))
                    return int(found[1]) if found else None
    return None
