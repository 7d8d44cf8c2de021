"""Which files are pictures, and the options that say how they become tensors of one shape."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from zoo.dataspec import DataSpec

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


class PictureSpec(DataSpec):
    """Base of the options of data kinds that decode picture files."""

    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Height and width in pixels that every picture is resized to."""
    fit: Literal["crop", "squash"] = "crop"
    """How another aspect ratio is made to fit: cut to the middle, or distort."""
    channels: Literal[1, 3] | None = None
    """1: grey, 3: colour; by default grey where the first pictures looked at are all stored as grey."""
    max_bad: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of unreadable pictures that are skipped and listed; one is skipped in any case unless this is 0."""


def picture_files(folder: Path) -> Iterator[Path]:
    """Yield what is named like a picture at any depth below a folder, in the order of the names."""
    for here, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(here, name)
