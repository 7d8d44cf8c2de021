"""Standard streams that never fail: what cannot be written is lost, and remembered for the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

STREAMS = ("stdin", "stdout", "stderr")


def open_closed_streams() -> None:
    """Open the null device in place of each standard stream that this process was started without.

    Otherwise the next file that is opened gets its number, and what libraries print would be written into that file.
    """
    for number, name in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                if opened != number:
                    os.dup2(opened, number)
                    os.close(opened)
        if getattr(sys, name) is None:  # also with pythonw on Windows, where there may be no such number
            mode = "w" if number else "r"
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - it is no path on Windows
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


class SafeStream:
    """A text stream whose writes never raise; `error` is the first that was swallowed."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.error = stream, None

    error: BaseException | None

    def write(self, text: str) -> int:
        """Write a text, as far as that is possible."""
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            return self.write(text.encode("ascii", "backslashreplace").decode())
        except (OSError, ValueError) as error:  # ValueError is raised by a closed file
            self.error = self.error or error
        return len(text)

    def flush(self) -> None:
        """Pass on what is buffered."""
        try:
            self.stream.flush()
        except (OSError, ValueError) as error:
            self.error = self.error or error

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def safe_streams() -> Iterator[SafeStream]:
    """Make writes to stdout and stderr safe within the block; yields stdout."""
    before = sys.stdout, sys.stderr
    out, err = (SafeStream(stream) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        for stream in (out, err):
            if stream.error:
                discard_rest(stream.stream)
        if (sys.stdout, sys.stderr) == (out, err):
            sys.stdout, sys.stderr = before


def discard_rest(stream: TextIO) -> None:
    """Send what a stream still holds to the null device: Python would try once more at exit, and complain."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
