"""What went wrong, as a line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from zoo.cli.console import HangUp, Screen
from zoo.core.errors import ResourceError, ZooDeprecationWarning, ZooError, as_out_of_memory
from zoo.core.files import DISK_FULL_ERRNOS, cache_dir

NOT_OURS = DISK_FULL_ERRNOS | {
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENAMETOOLONG,
}
BUG, PIPE = 70, 141


def report(error: BaseException, screen: Screen) -> int:
    """Say what happened; returns the exit code."""
    if isinstance(error, BrokenPipeError | HangUp):
        return hang_up()
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if screen.traceback and not isinstance(error, click.ClickException | click.Abort | KeyboardInterrupt):
        traceback.print_exception(error)
    code, name, message, hint = describe(error)
    screen.note(f"error: {message}{'; ' * bool(hint)}{hint}" if code < 128 else f"{message}")
    if screen.json:
        try:
            screen.document({"error": {"code": code, "name": name, "message": message, "hint": hint}})
            sys.stdout.flush()
        except BrokenPipeError:
            return hang_up()
    return code


def describe(error: BaseException) -> tuple[int, str, str, str]:
    """Exit code, name, message and hint."""
    if isinstance(error, ZooError):
        return error.code, error.name, str(error.args[0]), error.hint
    if isinstance(error, click.ClickException):
        return error.exit_code, "usage", *usage(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return 130, "interrupted", "interrupted", ""
    if short := as_out_of_memory(error):
        return describe(short)
    if isinstance(error, OSError) and error.errno in NOT_OURS:
        where = f"{error.filename}: " if error.filename else ""
        return ResourceError.code, ResourceError.name, f"{where}{error.strerror}", ""
    return bug(error)


def usage(error: click.ClickException) -> tuple[str, str]:
    """What click says, as a message and a hint."""
    text = " ".join(error.format_message().split()).rstrip(".")
    text, guess, names = (text[:1].lower() + text[1:]).partition(" Did you mean ")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path, params = (context.command_path, context.command.params) if context else ("zoo", [])
    if isinstance(error, click.NoSuchOption) and not guess and any(param.name == "overrides" for param in params):
        return text.rstrip("."), f"see {path} --help; options of an entry are set with KEY=VALUE, e.g. train.epochs=10"
    return text.rstrip("."), f"did you mean {names}" if guess else f"see {path} --help"


def bug(error: BaseException) -> tuple[int, str, str, str]:
    """Keep the traceback in a file, which the line names."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    path = cache_dir() / "crashes" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    lines = [f"zoo {' '.join(sys.argv[1:])}\n\n", *traceback.format_exception(error)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
    except OSError:
        return BUG, "bug", f"a bug in zoo: {what}", "--traceback shows where"
    return BUG, "bug", f"a bug in zoo: {what}", f"please report it and attach {path}"


def hang_up() -> int:
    """Nobody reads on; what is still buffered goes nowhere, quietly, as with other tools."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE


@contextmanager
def deprecations_as_notes(tell: Callable[[str], None]) -> Iterator[None]:
    """Print each deprecation once, as a one-line note, within the block; other warnings are shown as usual."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", ZooDeprecationWarning)
        show = warnings.showwarning

        def shown(message: Warning | str, category: type[Warning], *position: Any, **more: Any) -> None:
            if not issubclass(category, ZooDeprecationWarning):
                show(message, category, *position, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                tell(f"note: {message}")

        warnings.showwarning = shown
        yield
