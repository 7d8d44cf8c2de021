"""Notes: what a user should know although nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from zoo.core.errors import one_line

Tell = Callable[[str], object]
"""Receives messages for the user, one line each."""
collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)
tellers: list[Tell] = []
"""Who shows the notes of this process, the last of them; notes are logged if there is none."""


def ignore(text: str) -> None:
    """Receive a message and show it nowhere."""


def note(text: str, *, usual: bool = False) -> None:
    """Inform the user of something unexpected that is not an error.

    Commands show notes on stderr, and elsewhere the logger `zoo` has them. Those on data are also kept with the
    pictures and in the run.

    Args:
        text: One line; line breaks and control characters are removed.
        usual: Whether this is only what one expects; it is logged as information, not as a warning.

    Example:
        >>> from zoo.core import note
        >>> note("extra.parquet names no split; it is left out")
    """
    line, found = one_line(text), collected.get()
    if found is not None:
        found += [] if line in found else [line]
    elif tellers:
        tellers[-1](line)
    else:
        import logging

        logging.getLogger("zoo").log(logging.INFO if usual else logging.WARNING, "%s", line)


@contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Collect the notes of this thread within the block, instead of showing them."""
    found: list[str] = []
    token = collected.set(found)
    try:
        yield found
    finally:
        collected.reset(token)


@contextmanager
def show_notes(tell: Tell) -> Iterator[None]:
    """Show the notes of all threads within the block, each once."""
    shown: set[str] = set()

    def show(line: str) -> None:
        if line not in shown:
            shown.add(line)
            tell(line)

    tellers.append(show)
    try:
        yield
    finally:
        tellers.remove(show)
