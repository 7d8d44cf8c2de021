"""Report errors as one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from zoo.cli.console import OutputClosedError, Screen
from zoo.core.errors import ResourceError, ZooDeprecationWarning, ZooError, as_out_of_memory, printable_lines
from zoo.core.files import DISK_FULL_ERRNOS, cache_dir, write_text
from zoo.core.notes import Tell

SYSTEM_ERRORS = DISK_FULL_ERRNOS | {
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENAMETOOLONG,
}
BUG_CODE, BROKEN_PIPE_CODE = 70, 141


def report(error: BaseException, screen: Screen) -> int:
    """Print an error, and return the exit code."""
    if isinstance(error, BrokenPipeError | OutputClosedError):
        return BROKEN_PIPE_CODE
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if screen.traceback and not isinstance(error, click.ClickException | click.Abort | KeyboardInterrupt):
        sys.stderr.write(printable_lines("".join(traceback.format_exception(error))))
    code, name, message, hint = describe_error(error)
    screen.note(f"error: {message}{'; ' * bool(hint)}{hint}" if code < 128 else f"{message}")
    if screen.json:
        screen.document({"error": {"code": code, "name": name, "message": message, "hint": hint}})
    return code


def describe_error(error: BaseException) -> tuple[int, str, str, str]:
    """Return exit code, name, message and hint of an error."""
    if isinstance(error, ZooError):
        return error.code, error.name, str(error.args[0]), error.hint
    if isinstance(error, click.ClickException):
        from zoo.cli.usage import describe_usage_error

        return error.exit_code, "usage", *describe_usage_error(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return 130, "interrupted", "interrupted", ""
    if memory_error := as_out_of_memory(error):
        return describe_error(memory_error)
    if isinstance(error, OSError) and error.errno in SYSTEM_ERRORS:
        where = f"{error.filename}: " if error.filename else ""
        return ResourceError.code, ResourceError.name, f"{where}{error.strerror}", ""
    return describe_bug(error)


def describe_bug(error: BaseException) -> tuple[int, str, str, str]:
    """Describe an unexpected error, and save its traceback to a file."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    path = cache_dir() / "crashes" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    lines = [f"zoo {' '.join(sys.argv[1:])}\n\n", *traceback.format_exception(error)]
    try:
        write_text(path, "".join(lines).encode("utf-8", "backslashreplace").decode())
    except ResourceError:
        return BUG_CODE, "bug", f"a bug in zoo: {what}", "add --traceback to see where"
    return BUG_CODE, "bug", f"a bug in zoo: {what}", f"please report it and attach {path}"


def report_lost_output(error: BaseException, screen: Screen) -> int:
    """Return the exit code where a part of the result could not be written; print why, unless its reader has exited."""
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE_CODE
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    screen.note(f"error: the output is incomplete: {reason}; write it elsewhere")
    return ResourceError.code


@contextmanager
def deprecations_as_notes(tell: Tell) -> Iterator[None]:
    """Print each deprecation once, as a one-line note, within the block; other warnings are shown as usual."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", ZooDeprecationWarning)
        show = warnings.showwarning

        def show_warning(message: Warning | str, category: type[Warning], *position: Any, **more: Any) -> None:
            if not issubclass(category, ZooDeprecationWarning):
                show(printable_warning(message), category, *position, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                tell(f"note: {message}")

        warnings.showwarning = show_warning
        yield


def printable_warning(message: Warning | str) -> Warning | str:
    """Escape the text of a warning, which may quote a file's name; its type stays."""
    text = printable_lines(str(message))
    return message if text == str(message) else text
