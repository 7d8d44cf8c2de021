"""Ctrl-C and SIGTERM: the first asks to stop after the step, the second stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Stop:
    """A request to stop, and its exit code."""

    asked = 0
    on_request: Callable[[], object] | None = None
    """Called in the signal handler at the first request, where it will take a while until anybody looks."""

    @property
    def code(self) -> int:
        """128 + the signal number; 0 without a request."""
        return self.asked

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the first is a request, the second exits at once."""
        if self.asked:
            os._exit(self.asked)
        self.asked = 128 + number
        if self.on_request:
            with suppress(RuntimeError):  # raised by a stream that is being written to at this moment
                self.on_request()


@contextmanager
def catch_signals() -> Iterator[Stop]:
    """Turn signals into stop requests within the block; does nothing outside the main thread.

    A signal that whoever started this process had it ignore, as `nohup` does, stays ignored.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if can_listen(number)]
    before = {number: signal.signal(number, stop.ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def can_listen(number: signal.Signals) -> bool:
    """Whether a signal is neither ignored nor handled by code that is not Python's, and could not be put back."""
    return signal.getsignal(number) not in (signal.SIG_IGN, None)
