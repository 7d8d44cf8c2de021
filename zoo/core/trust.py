"""Safe access to files of unknown origin: read without blocking, check the owner, and do not write through links."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from zoo.core.errors import ResourceError

WINDOWS = os.name == "nt"
MAX_BYTES = 200_000_000
"""Largest text file that is read, in bytes."""
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
    """Read a regular text file, with universal line ends.

    Raises OSError like `read_bytes`, UnicodeError for bad encoding.
    """
    text = read_bytes(path, own=own).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def load_json(path: Path, *, own: bool = False) -> Any:
    """Read a JSON file; OSError like `read_bytes`, ValueError if it is not JSON or has a number that is not finite."""
    try:
        return FINITE_JSON.decode(read_bytes(path, own=own).decode())
    except RecursionError:
        raise ValueError("too deeply nested") from None


def parse_finite(text: str) -> float:
    """Convert a number; ValueError if it is not finite, which JSON cannot represent."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


FINITE_JSON = json.JSONDecoder(parse_float=parse_finite, parse_constant=parse_finite)


def user_id() -> int:
    """Return the number of the user, for cache keys that users do not share; 0 on Windows."""
    return 0 if WINDOWS else os.geteuid()


def others_may_write(about: os.stat_result) -> bool:
    """Whether the mode lets other users write; a group of only the user counts as the user."""
    return bool(about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and not is_own_group(about.st_gid)))


@lru_cache(maxsize=8)
def is_own_group(number: int) -> bool:
    """Whether a group is the user's private one, with the user's name and no other member."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(number)
    except KeyError:
        return False
    return user.pw_gid == number and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}


def is_own_stat(about: os.stat_result) -> bool:
    """Whether a file belongs to the user or the administrator, and nobody else can write to it."""
    return WINDOWS or (about.st_uid in {os.geteuid(), 0} and not others_may_write(about))


def is_own(path: Path) -> bool:
    """Whether a file or folder is the user's and nobody else can write to it.

    Args:
        path: The file or folder; a symbolic link to one is not enough.

    Returns:
        True if the user or the administrator owns it, and the mode lets no other user write it; on Windows, whether it
        exists.

    Example:
        >>> from pathlib import Path
        >>> from zoo.core import is_own
        >>> is_own(Path("no-such-file"))
        False
    """
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
        if about.st_uid not in {os.geteuid(), 0} or (others_may_write(about) and not about.st_mode & stat.S_ISVTX):
            return False
    return True


def make_private(folder: Path) -> bool:
    """Create a folder that only this user can write to, if it does not exist; return whether it is private."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        return is_private(folder)
    except OSError:
        return False


def own_folder(path: Path) -> Path:
    """Return a cached folder's path, or one of this user alone if others could have written it."""
    if not path.exists() or (is_own(path) and all(is_own(file) for file in path.iterdir())):
        return path
    return path.with_name(f"{path.name}-{user_id()}")


def refuse_link(path: Path) -> None:
    """Raise ResourceError if a path inside a run or study is a symbolic link, since the zoo creates none."""
    if path.is_symlink():
        text = f"{path} is a symbolic link, which may lead to files that are not the zoo's"
        raise ResourceError(text, "remove the link, then repeat the command")


def open_regular(path: Path, mode: str) -> IO[str]:
    """Open a text file of the zoo to write ("w") or append ("a").

    Raises ResourceError if it is a link or no regular file.
    """
    try:
        return open(path, mode, encoding="utf-8", newline="\n", opener=open_without_link)
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {error.strerror or error}", "remove it") from None


def open_without_link(name: str, flags: int) -> int:
    """Open a regular file and empty it if asked to.

    Raises OSError for anything else, through which nothing is written.
    """
    safe = flags & ~os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(name, safe, 0o666)
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, f"it is {describe_kind(about.st_mode)}, not a regular file", name)
    if flags & os.O_TRUNC:
        os.ftruncate(handle, 0)
    return handle
