"""The command line: one file a command, their views, completion, doctor and new plugins."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from zoo.cli.app import zoo
from zoo.cli.console import Screen
from zoo.cli.errors import deprecations_as_notes, report
from zoo.registry.plugins.blocklist import restore_blocklist


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become a line on stderr."""
    if argv is None and (asked := os.environ.get("_ZOO_COMPLETE")):
        from zoo.cli.completion.shells import print_completions

        return print_completions(asked)
    words = list(sys.argv[1:] if argv is None else argv)
    screen = Screen.from_arguments(words)
    try:
        with restore_blocklist(), deprecations_as_notes(screen.note):
            # Without arguments of ours click takes the process's own, and on Windows expands patterns such as *.png.
            code = zoo.main(None if argv is None else words, prog_name="zoo", standalone_mode=False, obj=screen)
            sys.stdout.flush()
    except BaseException as error:
        return report(error, screen)
    return code if isinstance(code, int) else 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())
