"""Caches of torch.compile: one per worker, so that a killed worker cannot damage another's."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.core.errors import ZooError
from zoo.core.files import folder_size, private_cache_dir, private_cache_dirs, replace
from zoo.core.trust import is_own, make_private
from zoo.training.compile_fallback import FAILURES

INDUCTOR, TRITON = "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"
HEADERS = "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"
MAX_SEED_BYTES = 200_000_000
"""Largest cache, in bytes, that is used as the seed of others."""
MAX_SLOTS = 10_000
MAX_CACHE_BYTES = 1_000_000_000
"""Size in bytes above which a cache is replaced by a new one."""


class Slot:
    """A folder of caches, locked by one process; `current` is the newest, named by a number."""

    def __init__(self, path: Path) -> None:
        self.path, self.dirty = path, path / "dirty"
        # A thread-local lock would be lost with its thread, and each trial may run in another thread.
        self.lock = FileLock(path / "lock", thread_local=False)
        self.lock.acquire(timeout=0)
        self.current = self.prepare()

    def prepare(self) -> Path:
        """Return the existing cache, or a new one if its process died in a trial or it is too large.

        A new cache gets a new name, since a compiler may outlive the process that started it and still write.
        """
        old = sorted((each for each in self.path.iterdir() if each.name.isdigit()), key=lambda each: int(each.name))
        if old and not self.dirty.exists() and folder_size(old[-1]) < MAX_CACHE_BYTES:
            return old[-1]
        new = self.path / str(int(old[-1].name) + 1 if old else 1)
        if not is_own(seed_cache()) or not copy_at_once(seed_cache(), self.path / "new", new):
            new.mkdir()
        for each in old:
            shutil.rmtree(each, ignore_errors=True)
        return new

    def begin(self) -> None:
        """Mark that a trial is running."""
        self.dirty.touch()

    def end(self) -> None:
        """Mark that the trial ended without an interrupted compilation.

        The first such cache becomes the seed.
        """
        self.dirty.unlink(missing_ok=True)
        if not seed_cache().exists() and 0 < folder_size(self.current) < MAX_SEED_BYTES:
            copy_at_once(self.current, self.path / "seed", seed_cache())


SLOTS: list[Slot] = []
"""The slot that this process has locked, if any."""


@contextmanager
def private_cache() -> Iterator[None]:
    """Give this process a private compile cache within the block, and reset torch's compilation counts.

    Without the reset a process would compile its first eight models and silently run the rest eagerly.
    """
    os.environ.setdefault(HEADERS, "0")  # precompiled headers are shared by all processes, and a kill can damage them
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
    failures, whole = len(FAILURES), False
    with suppress(OSError, NotImplementedError):
        take_slot()
    try:
        yield
        whole = True
    except (ZooError, SystemExit):  # raised between two steps, not during a compilation
        whole = True
        raise
    finally:
        with suppress(OSError):
            release_slot(whole, len(FAILURES) > failures)


def take_slot() -> None:
    """Take a slot, unless this process has one or the user has set a cache folder."""
    if not SLOTS:
        if is_user_chosen(INDUCTOR):
            return
        SLOTS.append(free_slot())
        os.environ[INDUCTOR] = str(SLOTS[0].current)
        if not is_user_chosen(TRITON):
            os.environ.pop(TRITON, None)  # torch then uses a folder inside its own
    SLOTS[0].begin()


def release_slot(whole: bool, failed: bool) -> None:
    """Keep the slot, or release it to be replaced; if it failed, delete the seed that may have damaged it."""
    if not SLOTS:
        return
    if whole and not failed:
        SLOTS[0].end()
        return
    SLOTS.pop().lock.release()
    if failed:
        shutil.rmtree(seed_cache(), ignore_errors=True)


def free_slot() -> Slot:
    """Return the first slot that is private and not locked.

    The locks of dead processes are free.
    """
    for number in range(1, MAX_SLOTS):
        path = cache_root() / f"slot-{number}"
        if make_private(path):
            with suppress(Timeout):
                return Slot(path)
    raise OSError(errno.ENOSPC, "no cache folder can be made", str(cache_root()))


def is_user_chosen(name: str) -> bool:
    """Whether the user has set a cache folder; torch also writes its own choice to the environment."""
    if not (value := os.environ.get(name)):
        return False
    path, own = Path(value).absolute(), Path(tempfile.gettempdir()).absolute()
    roots = private_cache_dirs("inductor")
    return not any(
        each in roots or (each.parent == own and each.name.startswith(("torchinductor_", "zoo-inductor-")))
        for each in (path, *path.parents)
    )


def cache_root() -> Path:
    """Return the folder of all slots, in which no other user can put code."""
    return private_cache_dir("inductor")


def seed_cache() -> Path:
    """Return the cache from which new ones are copied."""
    return cache_root() / "seed"


def copy_at_once(source: Path, temporary: Path, target: Path) -> bool:
    """Copy a cache atomically.

    Returns False if it is missing or vanishes, or if another process was faster.
    """
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("locks", "*.tmp"))
        replace(temporary, target)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        return False
    return True
