"""What several test files use: picture files to read, and errors that must be one line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from zoo.core.errors import DataError

RED, BLUE, GREEN = (250, 10, 10), (10, 10, 250), (10, 250, 10)


def encoded(
    color: tuple[int, ...] | int, size: tuple[int, int] = (6, 4), kind: str = "PNG", mode: str = "RGB"
) -> bytes:
    """A picture of one colour, width and height in pixels, as the bytes of a file."""
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


def write(path: Path, content: bytes) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    """The text of a data error, which is one line."""
    text = str(error.value)
    assert error.value.code == 3
    assert "\n" not in text
    return text
