"""Which classes pictures with captions have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.data import Texts


def known_classes(classes: tuple[str, ...], texts: Texts | None) -> tuple[str, ...]:
    """Return the classes; none if there is only one and training pictures have captions, which are `texts`."""
    return () if texts is not None and texts.table and len(classes) < 2 else classes
