"""Temporary files and folders: unpredictable names, and removal of what killed processes abandoned."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

WINDOWS = os.name == "nt"
NAME = re.compile(r"\..+\.(?:(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,9})-[0-9a-f]{16}|[0-9]+-[0-9]+)\.tmp", re.DOTALL)
"""The name of a temporary file; the second form is that of zoo 1.0 and earlier."""
NAME_LENGTH = 40
"""Largest number of characters of the final name in the temporary name, so that it is never too long."""
ABANDONED_SECONDS = 86_400.0
"""Age in seconds at which a temporary file of another machine counts as abandoned."""
FOLDER_NAME = re.compile(r"zoo-(?:[a-z-]+-(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,9})|probe|plugins)-[a-z0-9_]{8}")
"""The name of a temporary folder; the second form is that of zoo 1.0 and earlier."""
SWEPT: set[str] = set()
"""Folders that this process has swept."""


@lru_cache(maxsize=1)
def host() -> str:
    """Return 8 hexadecimal digits for this machine, or this container."""
    name = os.environ.get("COMPUTERNAME", "") if WINDOWS else os.uname().nodename
    with suppress(OSError):
        name += f" {os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - the link itself cannot be opened
    return f"{zlib.crc32(name.encode(errors='replace')):08x}"


def temporary_name(target: Path) -> Path:
    """Return a new name beside a path, by which a later process knows that it may delete it."""
    return target.with_name(f".{target.name[:NAME_LENGTH]}.{host()}-{os.getpid()}-{os.urandom(8).hex()}.tmp")


def create_temporary(target: Path, mode: int = 0o666) -> tuple[Path, int]:
    """Create an empty file beside the target, under a random name; return its path and its mode after the umask."""
    path = temporary_name(target)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        return path, stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a temporary file of the zoo."""
    return NAME.fullmatch(name) is not None


def temporary_files(folder: Path) -> Iterator[Path]:
    """Yield the temporary files in a folder."""
    with suppress(OSError), os.scandir(folder) as found:
        for each in found:
            if is_temporary(each.name) and each.is_file(follow_symlinks=False):
                yield Path(each.path)


def sweep(folder: Path) -> None:
    """Delete temporary files of killed processes, once per process and folder."""
    if str(folder) in SWEPT:
        return
    SWEPT.add(str(folder))
    for path in temporary_files(folder):
        with suppress(OSError):
            if is_abandoned(path):
                path.unlink()


def scratch_folder(what: str) -> Path:
    """Create a folder of this process among the system's temporary files, and delete those of killed processes."""
    base = Path(tempfile.gettempdir())
    sweep_scratch(base)
    return Path(tempfile.mkdtemp(prefix=f"zoo-{what}-{host()}-{os.getpid()}-", dir=base))


@contextmanager
def scratch(what: str) -> Iterator[Path]:
    """Create a folder as `scratch_folder` does, which is deleted after the block."""
    folder = scratch_folder(what)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(base: Path) -> None:
    """Delete this user's temporary folders whose processes were killed."""
    with suppress(OSError), os.scandir(base) as found:
        for each in found:
            if FOLDER_NAME.fullmatch(each.name) and each.is_dir(follow_symlinks=False):
                path = Path(each.path)
                with suppress(OSError):
                    if (WINDOWS or path.lstat().st_uid == os.geteuid()) and is_abandoned(path, FOLDER_NAME):
                        shutil.rmtree(path, ignore_errors=True)


def is_abandoned(path: Path, pattern: re.Pattern[str] = NAME) -> bool:
    """Whether the process that created a temporary file has ended, as far as this machine can determine."""
    match = pattern.fullmatch(path.name)
    if match and match["host"] == host() and not WINDOWS:
        return not is_alive(int(match["pid"]))
    return time.time() - path.lstat().st_mtime > ABANDONED_SECONDS


def is_alive(pid: int) -> bool:
    """Whether a process runs on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
