"""A watchdog over a training: a process that takes no step for too long ends itself, and says where it was."""

from __future__ import annotations

import faulthandler
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

TRACE = "hung.txt"
"""Where the threads stood when the watchdog bit; empty while all is well."""
PAUSE = 1.0
"""Seconds between two strokes that count: each starts a thread."""


class Watchdog:
    """Within the block the process dies when nobody pats the dog for `patience` seconds.

    It bites from a thread of faulthandler, which needs no lock of the interpreter, so that a plugin that hangs in
    native code is caught too.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        self.path, self.patience = folder / TRACE, patience
        self.patted = 0.0
        self.file: IO[str]

    def __enter__(self) -> Self:
        self.file = self.path.open("w", encoding="utf-8")
        self.pat()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.file.close()
        self.path.unlink(missing_ok=True)

    def pat(self) -> None:
        """All is well."""
        now = time.monotonic()
        if now - self.patted >= min(PAUSE, self.patience / 4):
            self.patted = now
            faulthandler.dump_traceback_later(self.patience, exit=True, file=self.file)

    def rest(self) -> None:
        """Until the next stroke the training waits for somebody else, who may be asleep."""
        faulthandler.cancel_dump_traceback_later()
        self.patted = 0.0


def bitten(folder: Path) -> bool:
    """Whether the last process that worked in the folder was ended by its watchdog."""
    try:
        return (folder / TRACE).stat().st_size > 0
    except OSError:
        return False
