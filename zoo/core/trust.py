"""Files that may come from others: read without blocking, load only the user's own, write through no link."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import IO, Any

from zoo.core.errors import ResourceError

WINDOWS = os.name == "nt"
MAX_BYTES = 200_000_000
"""Largest text file that is read, in bytes."""
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def describe_kind(mode: int) -> str:
    """Describe what a path is that is no regular file."""
    return KINDS.get(stat.S_IFMT(mode), "no regular file")


def read_bytes(path: Path, limit: int = MAX_BYTES, *, own: bool = False) -> bytes:
    """Read a whole regular file; a named pipe or a device never blocks.

    Raises OSError if the file is no regular one or too large, or with `own` if another user could have written it.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, f"it is {describe_kind(about.st_mode)}, not a regular file", str(path))
    with os.fdopen(handle, "rb") as file:
        if about.st_size > limit:
            raise OSError(errno.EINVAL, f"it is larger than {limit:,} bytes", str(path))
        if own and not is_own_stat(about):
            raise OSError(errno.EACCES, "another user could have written it", str(path))
        return file.read()


def read_text(path: Path, encoding: str = "utf-8", *, own: bool = False) -> str:
    """Read a regular text file, with universal line ends; OSError as in `read_bytes`, UnicodeError if it is no text."""
    text = read_bytes(path, own=own).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def load_json(path: Path, *, own: bool = False) -> Any:
    """Read a JSON file; OSError as in `read_bytes`, ValueError if it is no JSON."""
    try:
        return json.loads(read_bytes(path, own=own))
    except RecursionError:
        raise ValueError("too deeply nested") from None


def is_own_stat(about: os.stat_result) -> bool:
    """Return whether a file is the user's or the administrator's, and nobody else may write it."""
    return WINDOWS or (about.st_uid in {os.geteuid(), 0} and not about.st_mode & OTHERS_WRITE)


def is_own(path: Path) -> bool:
    """Return whether a path is a regular file or a folder that only this user can have written; links are not."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)) and is_own_stat(about)


def is_private(path: Path) -> bool:
    """Return whether no other user can have put a file at its path, or exchange a folder above it.

    A folder in which all may create files, but only owners may rename them, such as /tmp, is safe for own files.
    """
    if not is_own(path):
        return False
    if WINDOWS:
        return True
    for folder in path.resolve().parents:
        about = folder.stat()
        sticky = bool(about.st_mode & stat.S_ISVTX)
        if about.st_uid not in {os.geteuid(), 0} or (about.st_mode & OTHERS_WRITE and not sticky):
            return False
    return True


def make_private(folder: Path) -> bool:
    """Make a folder that only this user can write to, or close an own one to others; return whether it is private."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        open_to_others = not WINDOWS and about.st_mode & OTHERS_WRITE
        if open_to_others and about.st_uid == os.geteuid() and stat.S_ISDIR(about.st_mode):
            folder.chmod(stat.S_IMODE(about.st_mode) & ~OTHERS_WRITE)
        return is_private(folder)
    except OSError:
        return False


def refuse_link(path: Path) -> None:
    """Raise ResourceError if a path inside a run or study is a symbolic link: the zoo makes none, and follows none."""
    if path.is_symlink():
        text = f"{path} is a symbolic link, which may lead to files that are not the zoo's"
        raise ResourceError(text, "remove the link, then repeat the command")


def open_regular(path: Path, mode: str) -> IO[str]:
    """Open a text file of the zoo for writing ("w" or "a"); OSError if it is a link or no regular file."""

    def opener(name: str, flags: int) -> int:
        safe = flags & ~os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(name, safe, 0o666)
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, f"it is {describe_kind(about.st_mode)}, not a regular file", name)
        if flags & os.O_TRUNC:
            os.ftruncate(handle, 0)
        return handle

    return open(path, mode, encoding="utf-8", newline="\n", opener=opener)
