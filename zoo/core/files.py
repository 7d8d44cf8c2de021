"""Atomic writes, legal file names, the cache folder and SHA-256."""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.core.errors import ResourceError, ZooError
from zoo.core.temporary import create_temporary, scratch_folder, sweep, temporary_files
from zoo.core.trust import describe_kind, make_private

LEGAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
WINDOWS = os.name == "nt"
DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


def check_name(name: str, what: str = "name") -> str:
    """Return the name if it is a legal file name on every system, else raise ZooError."""
    if LEGAL_NAME.fullmatch(name) and not RESERVED_NAME.fullmatch(name) and not name.endswith("."):
        return name
    raise ZooError(f"{what} {name[:80]!r} cannot be a folder name: use letters, digits, '.', '_' and '-', at most 63")


def expand_user(path: str | Path) -> Path:
    """Expand the `~` or `~user` at the beginning of a path.

    Args:
        path: A path or its text.

    Returns:
        The path, with the home folder of the user in place of the first part.

    Raises:
        ZooError: If there is no such user, or the user's home folder is not known.

    Example:
        >>> from zoo.core import expand_user
        >>> expand_user("pictures/cats").as_posix()
        'pictures/cats'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ZooError(f"no user has the home folder of {str(path)[:80]!r}", "write the whole path") from None


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
        return expand_user(path)
    from platformdirs import user_cache_path

    return user_cache_path("pixel-zoo", appauthor=False)


def private_cache_dir(name: str) -> Path:
    """Find a folder for cached code, such as libraries, that no other user can write.

    Args:
        name: The name of the folder, or its path with "/", which is created below the cache folder.

    Returns:
        A folder below `cache_dir`. If others can write there, one below the user's own cache folder, or else a
        temporary one that is deleted when the process ends.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from unittest.mock import patch
        >>> from zoo.core import is_own, private_cache_dir
        >>> with TemporaryDirectory() as folder, patch.dict("os.environ", {"ZOO_CACHE": folder}):
        ...     is_own(private_cache_dir("kernels"))
        True
    """
    return next(filter(make_private, private_cache_dirs(name)), None) or temporary_cache_dir(name)


def private_cache_dirs(name: str) -> list[Path]:
    """List the folders that `private_cache_dir` tries, without creating any."""
    from platformdirs import user_cache_path

    bases = (cache_dir().absolute(), user_cache_path("pixel-zoo", appauthor=False))
    return [base / each for base in bases for each in (name, f"{name}-private")]


@lru_cache(maxsize=8)
def temporary_cache_dir(name: str) -> Path:
    """Create a folder of this process, which is deleted at its end."""
    folder = scratch_folder(name.replace("/", "-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def atomic_write(path: Path, *, follow_link: bool = False, private: bool = False) -> Iterator[Path]:
    """Write a file completely or not at all.

    An existing file keeps its mode and owner; the mode of a new one follows the umask.

    Args:
        path: The file to write; missing folders above it are created.
        follow_link: Whether to write the file that a symbolic link points to; otherwise links are refused.
        private: Whether to withhold the file from other users' writing, and forget the mode and owner of an old one:
            right for caches.

    Yields:
        A temporary path to write to; when the block succeeds, that file replaces `path` in one step.

    Raises:
        ResourceError: If the disk is full, the folder cannot be written to, or `path` is a symbolic link, a folder, a
            named pipe or a device; `path` is then unchanged.

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
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = linked_file(path) if follow_link else path
        before = check_replaceable(target, private)
        sweep(target.parent)
        temporary, mode = create_temporary(target, 0o666 if before is None else 0o600)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if private:
            before, mode = None, mode & ~0o022
        put_in_place(temporary, target, mode, before)
        sync_folder(target.parent)
    except OSError as error:
        hint = (
            "free some space or choose another folder, then repeat the command"
            if error.errno in DISK_FULL_ERRNOS
            else ""
        )
        raise ResourceError(f"cannot save {path}: {error.strerror or error}", hint) from error
    finally:
        if temporary:
            remove(temporary)


def linked_file(path: Path) -> Path:
    """Resolve a symbolic link.

    Raises OSError if another user created it in a folder shared by all users.
    """
    if not path.is_symlink():
        return path
    about, folder = path.lstat(), path.parent.stat()
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if not WINDOWS and shared and about.st_uid not in {os.geteuid(), folder.st_uid}:
        raise OSError(errno.EACCES, "it is a symbolic link of another user")
    return path.resolve()


def check_replaceable(path: Path, read_only: bool = False) -> os.stat_result | None:
    """Return the status of an existing file, or None.

    Raises OSError if it must not be replaced.

    With `read_only` that includes files that the user may not write.
    """
    try:
        about = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(about.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link; remove it, or give the file that it points to")
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, f"it is {describe_kind(about.st_mode)}, not a regular file")
    if not read_only and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return about


def put_in_place(temporary: Path, target: Path, mode: int, before: os.stat_result | None) -> None:
    """Replace the target by a temporary file, with the mode and owner of the file `before`.

    A file whose owner cannot be kept is overwritten instead, which is not atomic.
    """
    if WINDOWS:
        return replace(temporary, target)
    if before is not None:
        mode = stat.S_IMODE(before.st_mode)
        made = temporary.lstat()
        if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
            try:
                os.chown(temporary, before.st_uid, before.st_gid)
            except OSError:
                return overwrite(temporary, target)
    temporary.chmod(mode)
    return replace(temporary, target)


def overwrite(source: Path, target: Path) -> None:
    """Copy the content of a file into an existing one, and flush it to disk."""
    handle = os.open(target, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
    with source.open("rb") as file, os.fdopen(handle, "wb") as out:
        shutil.copyfileobj(file, out)
        out.truncate()
        out.flush()
        os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Flush new names in a folder to disk, where the system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_temporary_files(folder: Path) -> None:
    """Delete the temporary files of killed processes.

    This process must hold the lock of the folder.
    """
    for file in temporary_files(folder):
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


def write_text(path: Path, text: str, *, follow_link: bool = False, private: bool = False) -> None:
    """Write a UTF-8 file atomically; the flags are those of `atomic_write`."""
    with atomic_write(path, follow_link=follow_link, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Write a JSON file atomically; raise ValueError for non-finite numbers."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", private=private)


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


def folder_size(folder: Path) -> int:
    """Add up the sizes in bytes of the files below a folder; links are not followed."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # another process may have deleted it
                total += Path(here, name).lstat().st_size
    return total


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
