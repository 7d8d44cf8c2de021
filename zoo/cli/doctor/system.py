"""Python, the console, the folders that the zoo writes to, and the room on their disks."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.cli.doctor.finding import Finding, note, ok, problem
from zoo.core.errors import ResourceError, describe_error

LITTLE, TIGHT = 200_000_000, 2_000_000_000
"""Bytes of free space that are too few to train, and those that are worth a word."""
SHARED = Path("/dev/shm")
SMALL = 500_000_000
"""Bytes of shared memory below which Ray keeps its objects on disk."""


def python() -> Iterator[Finding]:
    """Interpreter, operating system, machine."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    about = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    text = f"{platform.python_implementation()} {about['python']} on {system}, {sys.executable}"
    yield ok(text, **about, executable=sys.executable)


def console() -> Iterator[Finding]:
    """What can be shown."""
    stream = sys.__stdout__
    encoding = (getattr(stream, "encoding", None) or "none").lower()
    terminal = bool(stream and stream.isatty())
    size = f", {shutil.get_terminal_size().columns} columns" if terminal else ""
    kind = f"terminal {os.environ.get('TERM', '')}".rstrip() if terminal else "not a terminal, so output is plain"
    about = {"encoding": encoding, "terminal": terminal}
    if encoding.replace("-", "") == "utf8":
        yield ok(f"{encoding}, {kind}{size}", **about)
    else:
        yield note(f"{encoding}, {kind}{size}", "some characters are shown as escapes; set PYTHONUTF8=1", **about)


def folders() -> Iterator[Finding]:
    """Runs, cache and configuration: where they are, whether they can be written to, and the room there."""
    from zoo.core.files import cache_dir
    from zoo.registry.layers import user_registry
    from zoo.runs.names import ROOT

    yield from writable("runs", Path.cwd() / ROOT, "change to a writable folder, or choose one with --out")
    yield from writable("cache", cache_dir(), "make it writable, or set ZOO_CACHE to another folder")
    mine = user_registry()
    there = "" if mine.is_file() else ", not found (optional)"
    yield ok(f"configuration {mine}{there}", folder="configuration", path=str(mine))


def writable(name: str, path: Path, elsewhere: str) -> Iterator[Finding]:
    """A folder that is there or will be made; nothing is left in it."""
    near = next(each for each in (path, *path.parents) if each.exists())
    about: dict[str, Any] = {"folder": name, "path": str(path)}
    try:
        with tempfile.TemporaryFile(dir=near) as file:
            file.write(b"zoo")
        free = shutil.disk_usage(near).free
    except OSError as error:
        text = f"{name} {path} cannot be written to: {error.strerror or describe_error(error)}"
        yield problem(text, elsewhere, ResourceError.code, **about)
        return
    about["free"] = free
    text = f"{name} {path}, {size(free)} free"
    if free < LITTLE:
        yield problem(text, f"free some space, or {elsewhere}", ResourceError.code, **about)
    elif free < TIGHT:
        yield note(text, "free some space before long trainings", **about)
    else:
        yield ok(text, **about)


def shared_memory() -> Iterator[Finding]:
    """Where Ray's workers share pictures, on Linux."""
    if not SHARED.is_dir():
        return
    usage = shutil.disk_usage(SHARED)
    text = f"{SHARED} {size(usage.free)} free of {size(usage.total)}"
    if usage.free < SMALL:
        yield note(text, "zoo tune will be slower; in a container raise it with --shm-size=2g", free=usage.free)
    else:
        yield ok(text, free=usage.free)


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
