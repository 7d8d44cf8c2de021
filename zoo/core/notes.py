"""Notes: what a user should know although nothing is wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from zoo.core.errors import one_line

log = logging.getLogger("zoo")
collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def note(text: str) -> None:
    """Inform the user of something unexpected that is not an error.

    Commands show notes on stderr. Those on data are also kept with the pictures and in the run.

    Args:
        text: One line; line breaks and control characters are removed.

    Example:
        >>> from zoo.core import note
        >>> note("extra.parquet names no split; it is left out")
    """
    line, found = one_line(text), collected.get()
    if found is None:
        log.warning("%s", line)
    elif line not in found:
        found.append(line)


@contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Collect the notes of this thread within the block, instead of logging them."""
    found: list[str] = []
    token = collected.set(found)
    try:
        yield found
    finally:
        collected.reset(token)
