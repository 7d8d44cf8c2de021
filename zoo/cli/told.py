"""Deprecations on the command line: a note, once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zoo.errors import ZooDeprecationWarning


@contextmanager
def told(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the block each deprecation is told once, in a line; other warnings are shown as ever."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", ZooDeprecationWarning)
        show = warnings.showwarning

        def shown(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, ZooDeprecationWarning):
                show(message, category, *place, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                tell(f"note: {message}")

        warnings.showwarning = shown
        yield
