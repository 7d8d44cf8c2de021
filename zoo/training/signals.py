"""Ctrl-C and SIGTERM: the first asks to stop after the step, the second stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked to stop, and the exit code that this has."""

    asked = 0

    @property
    def code(self) -> int:
        """128 + the number of the signal; 0: nobody asked."""
        return self.asked

    def ask(self, number: int, frame: FrameType | None) -> None:
        """A signal handler."""
        if self.asked:
            os._exit(self.asked)
        self.asked = 128 + number


@contextmanager
def listening() -> Iterator[Stop]:
    """Within the block signals ask; outside of the main thread there are none to hear."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
