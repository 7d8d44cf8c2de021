"""Caches of torch.compile: one for each worker, so that a killed one spoils no other's."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.core.errors import ZooError
from zoo.core.files import cache_dir, replace
from zoo.training.compile_fallback import FAILURES

INDUCTOR, TRITON = "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"
HEADERS = "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"
MAX_SEED_BYTES = 200_000_000
"""Bytes that a cache may have from which others are begun."""
MAX_CACHE_BYTES = 1_000_000_000
"""Bytes of a cache from which on it is begun anew."""


class Slot:
    """A folder of caches that one process holds: the newest is `current`, named by a number."""

    def __init__(self, path: Path) -> None:
        self.path, self.dirty = path, path / "dirty"
        path.mkdir(parents=True, exist_ok=True)
        # A lock of a thread is forgotten with it, and each trial may have a thread of its own.
        self.lock = FileLock(path / "lock", thread_local=False)
        self.lock.acquire(timeout=0)
        self.current = self.prepare()

    def prepare(self) -> Path:
        """The cache as it was left; another one where its process died in a trial, or where it grew too large.

        It has a name of its own, since a compiler may outlive the process that started it and go on writing.
        """
        old = sorted((each for each in self.path.iterdir() if each.name.isdigit()), key=lambda each: int(each.name))
        if old and not self.dirty.exists() and folder_size(old[-1]) < MAX_CACHE_BYTES:
            return old[-1]
        new = self.path / str(int(old[-1].name) + 1 if old else 1)
        if not copy_at_once(seed_cache(), self.path / "new", new):
            new.mkdir()
        for each in old:
            shutil.rmtree(each, ignore_errors=True)
        return new

    def begin(self) -> None:
        """A trial runs from here on."""
        self.dirty.touch()

    def end(self) -> None:
        """The trial ended, and no compilation with it; the first of all such caches becomes the seed."""
        self.dirty.unlink(missing_ok=True)
        if not seed_cache().exists() and 0 < folder_size(self.current) < MAX_SEED_BYTES:
            copy_at_once(self.current, self.path / "seed", seed_cache())


SLOTS: list[Slot] = []
"""The slot that this process holds, if it does."""


@contextmanager
def private_cache() -> Iterator[None]:
    """Around a trial: this process alone compiles into its cache, and as if nothing had been compiled in it before.

    Without the latter a process would compile its first eight models and silently run the rest eagerly.
    """
    os.environ.setdefault(HEADERS, "0")  # they are shared by all processes, and a kill leaves them damaged for good
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
    failures, whole = len(FAILURES), False
    with suppress(OSError, NotImplementedError):
        take_slot()
    try:
        yield
        whole = True
    except (ZooError, SystemExit):  # which are raised between two steps, not in the middle of a compilation
        whole = True
        raise
    finally:
        with suppress(OSError):
            release_slot(whole, len(FAILURES) > failures)


def take_slot() -> None:
    """Take a slot unless this process has one, or its user chose a folder."""
    if not SLOTS:
        if is_user_chosen(INDUCTOR):
            return
        SLOTS.append(free_slot())
        os.environ[INDUCTOR] = str(SLOTS[0].current)
        if not is_user_chosen(TRITON):
            os.environ.pop(TRITON, None)  # torch then takes a folder in its own
    SLOTS[0].begin()


def release_slot(whole: bool, failed: bool) -> None:
    """Go on with the slot, or leave it to be begun anew; a cache that failed may have had that from its seed."""
    if not SLOTS:
        return
    if whole and not failed:
        SLOTS[0].end()
        return
    SLOTS.pop().lock.release()
    if failed:
        shutil.rmtree(seed_cache(), ignore_errors=True)


def free_slot() -> Slot:
    """The first slot that no process holds; the lock of one that died is free at once."""
    number = 1
    while True:
        with suppress(Timeout):
            return Slot(cache_root() / f"slot-{number}")
        number += 1


def is_user_chosen(name: str) -> bool:
    """Whether a user named a folder of caches: torch also notes its own choice in the environment."""
    if not (value := os.environ.get(name)):
        return False
    path, own = Path(value).absolute(), Path(tempfile.gettempdir()).absolute()
    return not any(
        each == cache_root() or (each.parent == own and each.name.startswith("torchinductor_"))
        for each in (path, *path.parents)
    )


def cache_root() -> Path:
    """Where all slots lie."""
    return cache_dir().absolute() / "inductor"


def seed_cache() -> Path:
    """The cache from which new ones are begun."""
    return cache_root() / "seed"


def copy_at_once(source: Path, temporary: Path, target: Path) -> bool:
    """Copy a cache in one step; False where it is missing, or vanishes meanwhile, or another process was faster."""
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("locks", "*.tmp"))
        replace(temporary, target)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        return False
    return True


def folder_size(path: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
