"""The command line: one file per command, views, shell completion, doctor and new plugins."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.cli.console import Screen

INTERRUPTED = (130, 143)
"""Exit codes after Ctrl-C and SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error becomes one line on stderr."""
    if argv is None and (asked := os.environ.get("_ZOO_COMPLETE")):
        from zoo.cli.completion.shells import print_completions

        return print_completions(asked)
    from zoo.cli.console import Screen
    from zoo.cli.errors import report, report_lost_output
    from zoo.cli.streams import safe_streams

    words = list(sys.argv[1:] if argv is None else argv)
    with safe_streams() as out:
        screen = Screen.from_arguments(words)
        try:
            code = run_command(None if argv is None else words, screen)
        except BaseException as error:
            code = report(error, screen)
        out.flush()
        return report_lost_output(out.error, screen) if out.error and not code else code


def run_command(words: Sequence[str] | None, screen: Screen) -> int:
    """Run one command; None stands for the arguments of this process."""
    from zoo.cli.app import zoo
    from zoo.cli.errors import deprecations_as_notes
    from zoo.core.errors import ZooError
    from zoo.core.notes import show_notes
    from zoo.registry.plugins.blocklist import restore_blocklist

    if odd := next((word for word in words or () if not can_name_a_file(word)), None):
        raise ZooError(f"{odd[:80]!r} has a null character or half of one", "remove it")
    with restore_blocklist(), deprecations_as_notes(screen.note), show_notes(screen.note):
        # Without arguments of ours click takes the process's own, and on Windows expands patterns such as *.png.
        code = zoo.main(words, prog_name="zoo", standalone_mode=False, obj=screen)
    return code if isinstance(code, int) else 0


def can_name_a_file(word: str) -> bool:
    """Whether a file may have such a name, as is true of every word that a shell gives."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeError:
        return False


def run() -> None:
    """Run the console script; Ctrl-C never causes a traceback, not even during the first imports."""
    try:
        from zoo.cli.interrupts import insistent_interrupt
        from zoo.cli.streams import open_closed_streams

        open_closed_streams()
        with insistent_interrupt():
            code = main()
    except KeyboardInterrupt:
        code = 130
    if code in INTERRUPTED:
        exit_at_once(code)
    sys.exit(code)


def exit_at_once(code: int) -> None:
    """Exit without tearing down the modules, which takes about a second with torch and Ray.

    What was registered to happen at the exit happens; threads are not waited for.
    """
    with suppress(ValueError):  # outside the main thread
        signal.signal(signal.SIGINT, lambda *_: os._exit(code))  # another Ctrl-C, or one that was repeated too late
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
