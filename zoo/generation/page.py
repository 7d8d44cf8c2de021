"""The base of results that are pictures: one page of them, as a PNG file and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.display.grid import save_png
from zoo.display.html import embed_grid

if TYPE_CHECKING:
    from PIL.Image import Image


class PicturePage(ABC):
    """A result whose pictures are shown on one page."""

    @abstractmethod
    def grid(self) -> Image:
        """Draw the page."""

    @abstractmethod
    def __repr__(self) -> str:
        """Describe the pictures in one line."""

    def _repr_html_(self) -> str | None:
        """Return the page for a notebook."""
        return embed_grid(self)

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        save_png(Path(path), self.grid())
