"""Pages of tiles."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.core.errors import ZooError
from zoo.display.tiles import Tile, TileRow, draw_tiles


def test_grey_and_coloured_pictures_stand_side_by_side() -> None:
    grey, red = np.full((8, 8, 1), 128, np.uint8), np.broadcast_to(np.array([255, 0, 0], np.uint8), (8, 8, 3))
    page = np.array(draw_tiles([TileRow("a title", [Tile(grey, ("one",)), Tile(red, ("two",))])]))
    for colour in ((128, 128, 128), (255, 0, 0)):
        assert (page == colour).all(2).sum() >= 112**2


def test_pictures_with_other_channels_are_refused() -> None:
    with pytest.raises(ZooError, match="4 channels"):
        draw_tiles([TileRow("a title", [Tile(np.zeros((8, 8, 4), np.uint8))])])
