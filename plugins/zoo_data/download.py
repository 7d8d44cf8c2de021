"""The folder of downloaded data sets, and the download itself."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from zoo.core import DataError, DataSpec, cache_dir, expand_user

TIMEOUT_SECONDS = 30


class DownloadSpec(DataSpec):
    """Base class of the options of data sets that can be downloaded."""

    root: Path | None = None
    """Folder with the data files; default ZOO_DATA, or else the folder `data` in the user's cache folder."""
    download: bool = True
    """Download the files if they are missing."""

    def folder(self) -> Path:
        """Find the folder that contains the files, or to which they are downloaded."""
        named = self.root or os.environ.get("ZOO_DATA")
        return expand_user(named) if named else cache_dir() / "data"


def fetch(what: str, spec: DownloadSpec, files: str, get: Callable[[Path], Any]) -> None:
    """Call `get` with the data folder under a file lock.

    Raises:
        DataError: If downloading is off or fails; the message lists the files to copy and the folder.
    """
    from filelock import FileLock

    root = spec.folder()
    elsewhere = "set data.root or ZOO_DATA to their folder"
    if not spec.download:
        raise DataError(
            f"{what} is not in {root}, and data.download is false", f"set data.download=true, or {elsewhere}"
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{what}.lock"), guard_download():
            get(root)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())[:160]
        raise DataError(f"cannot download {what} ({reason}); copy {files} to {root}, or {elsewhere}") from error


@contextmanager
def guard_download() -> Iterator[None]:
    """Set a network timeout, and redirect what libraries print to stderr."""
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(previous)
