"""Ctrl-C that gets through, also where a library would swallow it or fail on it."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zoo.core.interrupts import is_importing

REPEAT_SECONDS = 1.0
"""Seconds after which a Ctrl-C that did not end the block is repeated."""
IMPORT_POLL_SECONDS = 0.05
"""Seconds between two looks at whether the import during which Ctrl-C was pressed is over."""
IMPORT_GRACE = 10.0
"""Seconds after which an import is interrupted after all."""
INTERRUPTED_CODE = 130


class InsistentInterrupt:
    """A handler of Ctrl-C that raises KeyboardInterrupt until the block is over.

    While modules are imported it waits, since native code such as torch's aborts when it is interrupted as it is
    loaded, and some modules catch whatever their imports raise. A second Ctrl-C during an import ends the process.
    """

    def __init__(self) -> None:
        self.over, self.lock = threading.Event(), threading.Lock()
        self.waiting_since: float | None = None
        self.repeated = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal, from the user or repeated."""
        by_user, self.repeated = not self.repeated, False
        if self.over.is_set() and not by_user:
            return
        if not is_importing(frame) or self.is_late():
            self.waiting_since = None
            self.repeat_after(REPEAT_SECONDS)
            raise KeyboardInterrupt
        if by_user and self.waiting_since is not None:
            os._exit(INTERRUPTED_CODE)
        self.waiting_since = self.waiting_since or time.monotonic()
        self.repeat_after(IMPORT_POLL_SECONDS)

    def is_late(self) -> bool:
        """Whether the import goes on for too long."""
        return self.waiting_since is not None and time.monotonic() > self.waiting_since + IMPORT_GRACE

    def repeat_after(self, seconds: float) -> None:
        """Send Ctrl-C again unless the block is over by then."""

        def repeat() -> None:
            if self.over.wait(seconds):
                return
            with self.lock:
                if not self.over.is_set():
                    self.repeated = True
                    interrupt_main_thread()

        threading.Thread(target=repeat, daemon=True).start()


@contextmanager
def insistent_interrupt() -> Iterator[None]:
    """Repeat a Ctrl-C within the block until it has ended it, or another handler has it.

    Python raises KeyboardInterrupt wherever it is, which may be in a finalizer or in code that catches all. A process
    that was started with Ctrl-C ignored, as by `nohup` or in the background of a script, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    handler = InsistentInterrupt()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        with handler.lock:  # so that none is repeated once the handler is gone
            handler.over.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if handler.waiting_since is not None:  # all that came after Ctrl-C were imports
        raise KeyboardInterrupt


def interrupt_main_thread() -> None:
    """Send Ctrl-C to the main thread, also where it waits for the system."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
