"""Where downloaded sets lie, and how they get there."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from zoo.core import DataError, DataSpec, cache_dir

TIMEOUT_SECONDS = 30


class DownloadSpec(DataSpec):
    """Base of the options of sets that are downloaded."""

    root: Path | None = None
    """Folder with the data files; default ZOO_DATA, or else the folder `data` in the user's cache folder."""
    download: bool = True
    """Download the files if they are missing."""

    def folder(self) -> Path:
        """The folder that holds the files, or will."""
        if self.root:
            return self.root.expanduser()
        return Path(os.environ["ZOO_DATA"]) if os.environ.get("ZOO_DATA") else cache_dir() / "data"


def fetch(what: str, spec: DownloadSpec, files: str, get: Callable[[Path], Any]) -> None:
    """Call `get` for the folder, one process at a time; raises DataError that says which files to put where."""
    from filelock import FileLock

    root = spec.folder()
    elsewhere = "set `root` or ZOO_DATA to their folder"
    if not spec.download:
        raise DataError(f"{what} is not in {root} and `download` is off; turn it on, or {elsewhere}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{what}.lock"), guard_download():
            get(root)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())[:160]
        raise DataError(f"cannot download {what} ({reason}); copy {files} to {root}, or {elsewhere}") from error


@contextmanager
def guard_download() -> Iterator[None]:
    """A silent server ends in an error, and nothing that a library prints reaches stdout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)
