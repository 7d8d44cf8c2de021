"""A grid of pictures, enlarged by a whole factor, with optional names at the left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.files import atomic_write

Pixels = NDArray[np.uint8]
DRAWN_CHANNELS = (1, 3)
"""Numbers of channels of pictures that can be drawn: grey and RGB."""
PAGE_WIDTH, PAGE_HEIGHT = 800, 1000
"""Approximate size of a page in pixels."""
MAX_PICTURE_SIDE = 240
"""Largest side in pixels of an enlarged picture."""
GAP, BLOCK_GAP, MARGIN = 2, 8, 8
"""Pixels between pictures, between blocks of several lines, and around the page."""
MAX_ASPECT = 2
"""Approximate height-to-width ratio above which the page is split into several columns."""
BACKGROUND, TEXT_COLOUR = 208, 0
"""Grey levels of the page, on which black and white pictures stay visible, and of the names."""
FONT_SIZE, MAX_NAME_WIDTH = 14, 240
"""Font height, and largest width of a name, in pixels."""
LINE_HEIGHT, CAPTION_WIDTH = 18, 480
"""Height of a line of a caption, and the width to which a narrow page is widened for it, in pixels."""


class PictureRows(NamedTuple):
    """Lines of pictures that belong together, with an optional name."""

    lines: list[Pixels]
    """Each uint8 (N, H, W, C), C being 1 or 3."""
    name: str = ""


def choose_columns(rows: int, longest: int) -> int:
    """Choose how many pictures to put in a line, so that the page is nearly square with few empty cells.

    Rows that would be much longer than the page is high are wrapped.
    """
    square = math.sqrt(rows * longest)
    limit = math.ceil(1.6 * square)
    if rows > 1 and longest <= limit:
        return longest
    return min(range(math.ceil(square), limit + 1), key=lambda count: (-longest % count, count))


def wrap_rows(pictures: Pixels, count: int, name: str = "") -> PictureRows:
    """Wrap pictures (N, H, W, C) into lines of `count` pictures."""
    return PictureRows([pictures[start : start + count] for start in range(0, len(pictures), count)], name)


class Layout(NamedTuple):
    """Sizes in pixels that all columns of a page share."""

    scale: int
    """Factor by which pixels are enlarged."""
    cell: tuple[int, int]
    """Height and width of an enlarged picture with its gap."""
    left: int
    """Width of the names."""
    across: int
    """Pictures in the longest line."""
    apart: int
    """Gap between blocks."""

    def height(self, blocks: Sequence[PictureRows]) -> int:
        """Compute the height of a column of blocks."""
        down = sum(len(block.lines) for block in blocks)
        return down * self.cell[0] - GAP + (len(blocks) - 1) * (self.apart - GAP) + 2 * MARGIN

    @property
    def width(self) -> int:
        """Width of a column."""
        return self.left + self.across * self.cell[1] - GAP + 2 * MARGIN


def draw_grid(blocks: Sequence[PictureRows], caption: str = "") -> Image.Image:
    """Draw blocks one below the other, in several columns if there are many; grey if the pictures are.

    A caption stands above them.
    """
    _, height, width, channels = blocks[0].lines[0].shape
    check_channels(channels)
    layout = compute_layout(blocks, height, width)
    folds = max(1, round(math.sqrt(layout.height(blocks) / layout.width / MAX_ASPECT)))
    each = math.ceil(len(blocks) / folds)
    parts = [blocks[start : start + each] for start in range(0, len(blocks), each)]
    page = Image.new("L" if channels == 1 else "RGB", (layout.width * len(parts), layout.height(parts[0])))
    page.paste((BACKGROUND,) * channels, (0, 0, *page.size))
    for index, part in enumerate(parts):
        page.paste(draw_column(part, layout, channels), (index * layout.width, 0))
    return with_caption(page, caption) if caption else page


def check_channels(channels: int, hint: str = "") -> None:
    """Raise ZooError for pictures that are neither grey nor RGB."""
    if channels not in DRAWN_CHANNELS:
        raise ZooError(f"pictures with {channels} channels cannot be shown as PNG", hint)


def with_caption(page: Image.Image, caption: str) -> Image.Image:
    """Return the page below a caption, wrapped to its width; a narrow page is widened."""
    caption = " ".join(caption.split())  # Pillow fails at line breaks and other separators of paragraphs
    width = max(page.width, min(CAPTION_WIDTH, text_width(caption) + 2 * MARGIN))
    lines = wrap_caption(caption, width - 2 * MARGIN)
    top = MARGIN + len(lines) * LINE_HEIGHT
    bands = len(page.getbands())
    whole = Image.new(page.mode, (width, top + page.height))
    whole.paste((BACKGROUND,) * bands, (0, 0, *whole.size))
    whole.paste(page, (0, top))
    pen = ImageDraw.Draw(whole)
    for index, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + index * LINE_HEIGHT), line, fill=(TEXT_COLOUR,) * bands, font=font())
    return whole


def wrap_caption(text: str, width: int) -> list[str]:
    """Wrap a text at spaces to lines of a width in pixels; words that are too long are shortened."""
    lines: list[str] = []
    for word in text.split():
        short = shorten(word, width)
        if lines and text_width(longer := f"{lines[-1]} {short}") <= width:
            lines[-1] = longer
        else:
            lines.append(short)
    return lines


def compute_layout(blocks: Sequence[PictureRows], height: int, width: int) -> Layout:
    """Choose the sizes of a page of these blocks."""
    across = max(len(line) for block in blocks for line in block.lines)
    down = sum(len(block.lines) for block in blocks)
    taken = max(text_width(shorten(block.name)) for block in blocks)
    scale = choose_scale(across * width, down * height, (height, width), named=taken > 0)
    apart = BLOCK_GAP if down > len(blocks) else GAP
    return Layout(scale, (height * scale + GAP, width * scale + GAP), taken + MARGIN * (taken > 0), across, apart)


def draw_column(blocks: Sequence[PictureRows], layout: Layout, channels: int) -> Image.Image:
    """Draw one column of blocks with their names."""
    page = np.full((layout.height(blocks), layout.width, channels), BACKGROUND, np.uint8)
    top = MARGIN
    names: list[tuple[str, float]] = []
    for block in blocks:
        height = len(block.lines) * layout.cell[0] - GAP
        names += place_name(block.name, top, height)
        for line in block.lines:
            paste_line(page, line, top, layout.left + MARGIN, layout.scale)
            top += layout.cell[0]
        top += layout.apart - GAP
    image = to_image(page)
    write_names(image, names, layout.left)
    return image


def place_name(name: str, top: int, height: int) -> list[tuple[str, float]]:
    """Wrap a name to the lines that fit beside its block, and place them: each with the height of its middle."""
    lines, most = wrap_caption(name, MAX_NAME_WIDTH), max(1, height // LINE_HEIGHT)
    if len(lines) > most:
        lines = [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]))]
    first = top + height / 2 - (len(lines) - 1) * LINE_HEIGHT / 2
    return [(line, first + index * LINE_HEIGHT) for index, line in enumerate(lines)]


def to_image(picture: Pixels) -> Image.Image:
    """Convert pixels (H, W, C) to an image."""
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def choose_scale(width: int, height: int, one: tuple[int, int], *, named: bool) -> int:
    """Choose the whole factor by which pixels are enlarged to fill a page."""
    fitting = min(round(PAGE_WIDTH / width), round(PAGE_HEIGHT / height), MAX_PICTURE_SIDE // max(one))
    return max(1, fitting, math.ceil((FONT_SIZE + 2) / one[0]) if named else 1)


def paste_line(page: Pixels, line: Pixels, top: int, left: int, scale: int) -> None:
    """Paste a line of enlarged pictures into the page."""
    large = line.repeat(scale, 1).repeat(scale, 2)
    height, width = large.shape[1:3]
    for index, picture in enumerate(large):
        start = left + index * (width + GAP)
        page[top : top + height, start : start + width] = picture


def write_names(image: Image.Image, names: Sequence[tuple[str, float]], left: int) -> None:
    """Write lines of names, right-aligned, each around its middle."""
    pen = ImageDraw.Draw(image)
    for name, middle in names:
        if name:
            pen.text((left, middle), name, fill=(TEXT_COLOUR,) * len(image.getbands()), font=font(), anchor="rm")


def shorten(name: str, width: int = MAX_NAME_WIDTH) -> str:
    """Shorten a name to a width in pixels, with an ellipsis."""
    name = " ".join(name.split())
    if text_width(name) <= width:
        return name
    return next(cut for end in range(len(name) - 1, -1, -1) if text_width(cut := f"{name[:end]}…") <= width)


def text_width(text: str, size: int = FONT_SIZE) -> int:
    """Compute the width of a text in pixels."""
    return math.ceil(font(size).getlength(text))


@cache
def font(size: int = FONT_SIZE) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans from matplotlib; it has far more characters than Pillow's default font."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def save_png(path: Path, image: Image.Image) -> None:
    """Write a PNG file atomically."""
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG")


def to_uint8(pictures: Tensor) -> Pixels:
    """Convert pictures with values 0..1 (N, C, H, W) to uint8 (N, H, W, C)."""
    found: Pixels = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return found
