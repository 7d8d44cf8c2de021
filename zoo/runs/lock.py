"""Locks, so that only one process at a time works in a run folder, or changes a file."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.core.errors import LockedError, ResourceError
from zoo.core.files import remove, remove_temporary_files, write_json
from zoo.core.trust import load_json, refuse_link
from zoo.runs.run import utc_now

FILE_TIMEOUT = 60.0
"""Seconds to wait for another process that changes the same file."""
FILE_POLL = 0.05
"""Seconds between two attempts to lock a file."""
PROBED_RETRIES = 5
"""Attempts to lock a folder while no owner is known: another process may only look whether the lock is free."""
VANISHED_RETRIES = 20
"""Attempts to lock a folder that another process creates and removes."""


@contextmanager
def lock_folder(path: Path, advice: str = "wait for it, or choose another folder with --out") -> Iterator[None]:
    """Lock a run folder; LockedError if another process holds the lock.

    The lock of a process that died is released at once.
    """
    who, lock = path / "lock.json", FileLock(path / "lock")
    refuse_link(path / "lock")
    try:
        take_lock(path, lock, who)
    except Timeout:
        raise LockedError(f"{path} is in use by {lock_owner(who)}", advice) from None
    except OSError as error:
        raise ResourceError(
            f"cannot lock {path}: {error.strerror or error}", "choose another folder with --out"
        ) from None
    try:
        remove_temporary_files(path)
        write_json(who, {"pid": os.getpid(), "host": socket.gethostname(), "since": utc_now()})
        yield
    finally:
        remove(who)
        begun = not path.is_dir() or any(file.name != "lock" for file in path.iterdir())
        if not begun:  # e.g. the data was unreadable; Windows cannot delete the open lock file
            remove(path / "lock")
        lock.release()
        if not begun:
            with suppress(OSError):
                path.rmdir()


def take_lock(path: Path, lock: FileLock, who: Path) -> None:
    """Create a folder and take its lock; Timeout if another process works there."""
    for retry in range(PROBED_RETRIES):
        try:
            create_and_acquire(path, lock)
        except Timeout:
            if who.exists() or retry == PROBED_RETRIES - 1:
                raise
            time.sleep(FILE_POLL)
        else:
            return


def create_and_acquire(path: Path, lock: FileLock) -> None:
    """Create a folder and take its lock, also where whoever had it removes both at this moment."""
    for retry in range(VANISHED_RETRIES):
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except (FileNotFoundError, FileExistsError):  # the latter where it goes between two steps of `mkdir`
            if retry == VANISHED_RETRIES - 1:
                raise
        else:
            return


@contextmanager
def wait_and_lock(path: Path, wait: Callable[[LockedError], None]) -> Iterator[None]:
    """Lock a folder that the zoo made for a run as soon as it is free; ResourceError if it is a symbolic link.

    `wait` is called between two attempts; it may raise.
    """
    refuse_link(path)
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock_folder(path))
                break
            except LockedError as error:
                wait(error)
        yield


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Wait until no other process reads a file to change it, and keep others from that during the block.

    The lock is a folder beside the file, which is removed afterwards.
    """
    target, deadline = Path(os.path.realpath(path)), time.monotonic() + FILE_TIMEOUT
    if target.exists() and not target.is_file():
        yield  # whoever reads it says what is wrong
        return

    def wait(error: LockedError) -> None:
        if time.monotonic() > deadline:
            raise LockedError(f"{path} is being changed: {error.args[0]}", "repeat the command when that has ended")
        time.sleep(FILE_POLL)

    with ExitStack() as stack:
        try:
            stack.enter_context(wait_and_lock(target.with_name(f".{target.name[:200]}.lock"), wait))
        except ResourceError as error:
            raise ResourceError(f"cannot change {path}: {error.args[0]}", "choose another file") from None
        yield


def is_locked(path: Path) -> bool:
    """Return whether another process holds the lock of a folder."""
    if not (path / "lock").is_file():
        return False
    lock = FileLock(path / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def lock_owner(who: Path) -> str:
    """Describe the process that holds the lock of a folder, as far as known."""
    try:
        about = load_json(who)
        return f"pid {about['pid']} on {about['host']} since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
