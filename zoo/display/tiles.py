"""A page of pictures with lines of text below each, in rows under titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from zoo.display.grid import BACKGROUND, GAP, MARGIN, Pixels, check_channels, font, shorten, text_width, with_caption

TILE_SIDE = 112
"""Approximate side in pixels to which small pictures are enlarged, and the least width of a tile."""
TITLE_HEIGHT, TEXT_SIZE, TEXT_HEIGHT = 22, 11, 14
"""Height of a title, and size and height of a line below a picture, in pixels."""
BLACK, GREY = (0, 0, 0), (90, 90, 90)


class Tile(NamedTuple):
    """A picture and the lines below it."""

    picture: Pixels
    """uint8 (H, W, C), C being 1 or 3."""
    lines: tuple[str, ...] = ()


class TileRow(NamedTuple):
    """A title, and the tiles below it, side by side."""

    title: str
    tiles: list[Tile]


def draw_tiles(rows: Sequence[TileRow], caption: str = "") -> Image.Image:
    """Draw rows of tiles one below the other, in colour; a caption stands above them.

    Lines are shortened to the width of a tile, at their start, since names often differ only at the end.
    """
    tiles = [tile for row in rows for tile in row.tiles]
    check_channels(tiles[0].picture.shape[2])
    side = max(max(tile.picture.shape[:2]) for tile in tiles)
    scale = max(1, TILE_SIDE // side)
    width = max(TILE_SIDE, scale * max(tile.picture.shape[1] for tile in tiles))
    high = scale * max(tile.picture.shape[0] for tile in tiles)
    heights = [TITLE_HEIGHT + high + TEXT_HEIGHT * max(len(tile.lines) for tile in row.tiles) + MARGIN for row in rows]
    across = max(len(row.tiles) for row in rows)
    page = Image.new("RGB", (2 * MARGIN + across * (width + GAP) - GAP, MARGIN + sum(heights)), (BACKGROUND,) * 3)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        draw_row(page, row, top, (width, high), scale)
        top += height
    return with_caption(page, caption) if caption else page


def draw_row(page: Image.Image, row: TileRow, top: int, cell: tuple[int, int], scale: int) -> None:
    """Draw the title of a row, and its tiles below."""
    pen, (width, high) = ImageDraw.Draw(page), cell
    pen.text((MARGIN, top), shorten(row.title, page.width - 2 * MARGIN), fill=BLACK, font=font())
    top += TITLE_HEIGHT
    for index, tile in enumerate(row.tiles):
        left = MARGIN + index * (width + GAP)
        page.paste(enlarge(tile.picture, scale), (left, top))
        for number, line in enumerate(tile.lines):
            place = (left, top + high + 1 + number * TEXT_HEIGHT)
            pen.text(place, shorten_start(line, width - GAP), fill=GREY if number else BLACK, font=font(TEXT_SIZE))


def enlarge(picture: Pixels, scale: int) -> Image.Image:
    """Convert pixels (H, W, C) to an image in colour, enlarged by a whole factor."""
    colours = np.broadcast_to(picture, (*picture.shape[:2], 3))
    return Image.fromarray(np.ascontiguousarray(colours.repeat(scale, 0).repeat(scale, 1)))


def shorten_start(text: str, width: int) -> str:
    """Shorten a line to a width in pixels, with an ellipsis at its start."""
    text = " ".join(text.split())
    if text_width(text, TEXT_SIZE) <= width:
        return text
    cuts = (f"…{text[start:]}" for start in range(1, len(text) + 1))
    return next(cut for cut in cuts if text_width(cut, TEXT_SIZE) <= width)
