"""Atomic writes, legal file names, the cache folder, SHA-256 and the listing of picture files."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo.core.errors import ResourceError, ZooError

LEGAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
WINDOWS = os.name == "nt"
DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def check_name(name: str, what: str = "name") -> str:
    """Return the name if it is a legal file name on every system, else raise ZooError."""
    if LEGAL_NAME.fullmatch(name) and not RESERVED_NAME.fullmatch(name) and not name.endswith("."):
        return name
    raise ZooError(f"{what} {name[:80]!r} cannot be a folder name: use letters, digits, '.', '_' and '-', at most 63")


def cache_dir() -> Path:
    """Find the folder where decoded pictures and compiled kernels are cached.

    Returns:
        The folder that the environment variable ZOO_CACHE names, else the user's cache folder of pixel-zoo.

    Example:
        >>> from unittest.mock import patch
        >>> from zoo.core import cache_dir
        >>> with patch.dict("os.environ", {"ZOO_CACHE": "fast-disk"}):
        ...     cache_dir().name
        'fast-disk'
    """
    if path := os.environ.get("ZOO_CACHE"):
        return Path(path).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("pixel-zoo", appauthor=False)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file completely or not at all.

    Args:
        path: The file to write; missing folders above it are created.

    Yields:
        A temporary path to write to; when the block succeeds, that file replaces `path` in one step.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written to; `path` is then unchanged.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.core import atomic_write
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     with atomic_write(path) as temporary:
        ...         size = temporary.write_text("done")
        ...     path.read_text()
        'done'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        hint = (
            "free some space or choose another folder, then repeat the command"
            if error.errno in DISK_FULL_ERRNOS
            else ""
        )
        raise ResourceError(f"cannot save {path}: {error.strerror or error}", hint) from error
    finally:
        remove(temporary)


def sync_folder(folder: Path) -> None:
    """Flush new names in a folder to disk, where the system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_temporary_files(folder: Path) -> None:
    """Delete the temporary files of killed processes; this process must hold the lock of the folder."""
    for file in folder.glob(".*.tmp"):
        remove(file)


def remove(path: Path) -> None:
    """Delete a file if possible."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def replace(source: Path, target: Path) -> None:
    """Replace a file, with retries on Windows, where a virus scanner or indexer may keep the target open."""
    for wait in (0.02, 0.05, 0.1, 0.3, 0.7, 1.4, 0.0):
        try:
            source.replace(target)
        except PermissionError:
            if not WINDOWS or not wait:
                raise
            time.sleep(wait)
        else:
            return


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; raise ValueError for non-finite numbers."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def non_finite_to_none(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot represent, by None."""
    if isinstance(value, dict):
        return {key: non_finite_to_none(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [non_finite_to_none(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Compute the SHA-256 of a JSON value, independent of the order of its keys.

    Args:
        value: Any value that `json.dumps` accepts.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> from zoo.core import digest
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
        >>> len(digest([]))
        64
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def picture_files(folder: Path) -> Iterator[Path]:
    """Yield the picture files at any depth below a folder.

    Args:
        folder: The folder to search; files and folders whose names start with a dot are left out.

    Yields:
        Paths with the suffix of a PNG, JPEG, WebP, BMP or GIF file, each folder's in alphabetical order.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.core import picture_files
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in picture_files(Path(folder))]
        ['a.jpg', 'b.png']
    """
    for here, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith("."):
                yield Path(here, name)
