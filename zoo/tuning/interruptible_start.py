"""The start of Ray ends as soon as the user asks to stop, and leaves no process behind."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch

from zoo.core.interrupts import is_importing
from zoo.training.signals import Stop

END_GRACE = 0.5
"""Seconds that Ray's processes have to end by themselves."""


class RayStart:
    """A start of Ray that a request to stop ends by KeyboardInterrupt.

    While a module is imported, a process started, or the driver connected, it waits for the end of that: half a module
    cannot be imported again, and a process or a connection that nobody knows of cannot be ended.
    """

    def __init__(self, stop: Stop, whole: tuple[CodeType, ...] = ()) -> None:
        self.stop, self.tell = stop, stop.on_request
        self.processes: list[subprocess.Popen[bytes]] = []
        self.whole = list(whole)
        """Code that is not interrupted."""

    def on_request(self) -> None:
        """Tell of the request, and end the start unless that has to wait."""
        with suppress(RuntimeError):  # raised by a stream that is being written to at this moment
            if self.tell:
                self.tell()
        if not self.must_wait(sys._getframe()):
            raise KeyboardInterrupt

    def must_wait(self, frame: FrameType | None) -> bool:
        """Whether the main thread is where it cannot be interrupted."""
        if is_importing(frame):
            return True
        while frame is not None:
            if frame.f_code in self.whole:
                return True
            frame = frame.f_back
        return False

    def record_process(self, start: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap Ray's function that starts a process, to know the process."""

        def start_process(*arguments: Any, **named: Any) -> Any:
            self.raise_if_stopped()
            info = start(*arguments, **named)
            self.processes.append(info.process)
            self.raise_if_stopped()
            return info

        self.whole.append(start_process.__code__)
        return start_process

    def raise_if_stopped(self) -> None:
        """Make up for a request that had to wait."""
        if self.stop.code:
            raise KeyboardInterrupt


@contextmanager
def interruptible_start(ray: Any, stop: Stop) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block at a request to stop.

    All that Ray had started has ended by then.
    """
    services, utils, worker = (import_module(f"ray._private.{name}") for name in ("services", "utils", "worker"))
    start = RayStart(stop, (inspect.unwrap(worker.connect).__code__,))
    record = start.record_process(services.start_ray_process)
    try:
        # Ray's own handler of SIGTERM would exit with another code.
        with (
            patch.object(services, "start_ray_process", record),
            patch.object(utils, "set_sigterm_handler", lambda handler: None),
        ):
            stop.on_request = start.on_request
            yield
    except KeyboardInterrupt:
        stop.on_request = start.tell
        end_start(ray, start.processes)
        raise
    finally:
        stop.on_request = start.tell


def end_start(ray: Any, processes: list[subprocess.Popen[bytes]]) -> None:
    """End a Ray that has started in part or as a whole."""
    with suppress(Exception):
        if ray.is_initialized():  # a connected driver would exit at the death of Ray's processes
            ray.shutdown()
    end_processes(processes)
    with suppress(Exception):
        ray.shutdown()


def end_processes(processes: list[subprocess.Popen[bytes]]) -> None:
    """Terminate processes, and kill those that do not end in time; agents end with them."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + END_GRACE
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_GRACE)
