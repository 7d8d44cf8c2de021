"""The command line: thin faces over `zoo.api`, one module a group of commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from zoo.cli.faults import report
from zoo.cli.group import zoo
from zoo.cli.screen import Screen
from zoo.cli.told import told
from zoo.discovery.blocking import undone


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; whatever goes wrong becomes a line on stderr."""
    if argv is None and (asked := os.environ.get("_ZOO_COMPLETE")):
        from zoo.cli.answering import answer

        return answer(asked)
    words = list(sys.argv[1:] if argv is None else argv)
    screen = Screen.asked_for(words)
    try:
        with undone(), told(screen.note):
            # Without arguments of ours click takes the process's own, and on Windows expands patterns such as *.png.
            code = zoo.main(None if argv is None else words, prog_name="zoo", standalone_mode=False, obj=screen)
            sys.stdout.flush()
    except BaseException as error:
        return report(error, screen)
    return code if isinstance(code, int) else 0


def run() -> None:
    """The console script."""
    sys.exit(main())
