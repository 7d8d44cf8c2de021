"""Ctrl-C that gets through, also where a library swallows the KeyboardInterrupt that it gets."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_SECONDS = 1.0
"""Seconds after which a Ctrl-C that did not end the block is repeated."""


@contextmanager
def insistent_interrupt() -> Iterator[None]:
    """Repeat a Ctrl-C within the block until it has ended it, or another handler has it.

    Python raises KeyboardInterrupt wherever it is, which may be in a finalizer or in an import that catches all. A
    process that was started with Ctrl-C ignored, as by `nohup` or in the background of a script, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    over = threading.Event()

    def press(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=repeat, daemon=True).start()
        raise KeyboardInterrupt

    def repeat() -> None:
        if not over.wait(REPEAT_SECONDS):
            interrupt_main_thread()

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt_main_thread() -> None:
    """Send Ctrl-C to the main thread, also where it waits for the system."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
