"""Safe access to files of unknown origin: read without blocking, check the owner, and do not write through links."""

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
    """Describe what kind of file a path is, if it is not a regular file."""
    return KINDS.get(stat.S_IFMT(mode), "no regular file")


def read_bytes(path: Path, limit: int = MAX_BYTES, *, own: bool = False) -> bytes:
    """Read a whole regular file; a named pipe or a device never blocks.

    Raises OSError if it is not a regular file or is too large, or with `own` if another user could have written it.
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
    """Read a regular text file, with universal line ends; OSError like `read_bytes`, UnicodeError for bad encoding."""
    text = read_bytes(path, own=own).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def load_json(path: Path, *, own: bool = False) -> Any:
    """Read a JSON file; OSError like `read_bytes`, ValueError if it is not JSON."""
    try:
        return json.loads(read_bytes(path, own=own))
    except RecursionError:
        raise ValueError("too deeply nested") from None


def is_own_stat(about: os.stat_result) -> bool:
    """Whether a file belongs to the user or the administrator, and nobody else can write to it."""
    return WINDOWS or (about.st_uid in {os.geteuid(), 0} and not about.st_mode & OTHERS_WRITE)


def is_own(path: Path) -> bool:
    """Whether a path is a regular file or folder, not a link, that no other user can have written."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)) and is_own_stat(about)


def is_private(path: Path) -> bool:
    """Whether no other user can have written a file, or can replace it or a folder above it.

    A folder like /tmp, where all users can create files but only owners can rename them, is safe for own files.
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
    """Make a folder that only this user can write to, or restrict an existing one; return whether it is private."""
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
    """Raise ResourceError if a path inside a run or study is a symbolic link, since the zoo creates none."""
    if path.is_symlink():
        text = f"{path} is a symbolic link, which may lead to files that are not the zoo's"
        raise ResourceError(text, "remove the link, then repeat the command")


def open_regular(path: Path, mode: str) -> IO[str]:
    """Open a text file of the zoo for writing ("w" or "a"); OSError unless it is a regular file."""

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
