"""Pages of pictures: near a square, enlarged by whole factors, with names where rows have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.core.errors import ZooError
from zoo.display.grid import (
    BACKGROUND,
    GAP,
    MARGIN,
    PictureRows,
    Pixels,
    choose_columns,
    draw_grid,
    save_png,
    wrap_rows,
)


def made(count: int, side: int = 8, channels: int = 1) -> Pixels:
    """Pictures of random pixels, uint8 (N, H, W, C)."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@pytest.mark.parametrize(
    ("rows", "longest", "count"),
    [(1, 1, 1), (1, 5, 3), (1, 10, 5), (1, 12, 4), (1, 64, 8), (1, 100, 10), (10, 7, 7), (10, 10, 10), (2, 32, 8)],
)
def test_pages_are_near_a_square_without_many_empty_places(rows: int, longest: int, count: int) -> None:
    assert choose_columns(rows, longest) == count


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("count", [1, 5, 64, 100])
def test_every_pixel_becomes_a_square_of_its_own_shade(count: int, side: int, channels: int) -> None:
    pictures, across = made(count, side, channels), choose_columns(1, count)
    image = draw_grid([wrap_rows(pictures, across)])
    assert image.mode == ("L" if channels == 1 else "RGB")
    assert max(image.size) <= 1200
    page = np.asarray(image).reshape(image.height, image.width, channels)
    scale = ((image.width - 2 * MARGIN + GAP) // across - GAP) // side
    assert scale > 1
    seen = np.ones(page.shape[:2], bool)
    for index, picture in enumerate(pictures):
        top, left = (MARGIN + place * (side * scale + GAP) for place in divmod(index, across))
        shown = page[top : top + side * scale, left : left + side * scale]
        assert np.array_equal(shown, picture.repeat(scale, 0).repeat(scale, 1))
        seen[top : top + side * scale, left : left + side * scale] = False
    assert (page[seen] == BACKGROUND).all()


def test_names_stand_at_the_left_of_their_rows() -> None:
    def ink(name: str) -> tuple[int, int]:
        blocks = [wrap_rows(np.full((3, 8, 8, 1), 255, np.uint8), 3, text) for text in ("a", name)]
        page = np.asarray(draw_grid(blocks))
        dark = np.argwhere(page < BACKGROUND // 2)
        assert (dark[:, 1] < page.shape[1] - 3 * 8).all()
        return int((dark[:, 0] > page.shape[0] // 2).sum()), page.shape[1]

    short, long, endless = (ink(name) for name in ("b", "b" * 20, "b" * 500))
    assert 0 < short[0] < long[0]
    assert short[1] < long[1] <= endless[1] <= long[1] + 200


def test_long_names_are_wrapped_beside_their_rows() -> None:
    def lines(side: int) -> int:
        blocks = [
            wrap_rows(np.full((2, side, side, 1), 255, np.uint8), 2, "a big red circle above a small blue square")
        ]
        page = np.asarray(draw_grid(blocks))
        left = page[:, : page.shape[1] - 2 * (MARGIN + side)]
        inked = np.min(left, 1) < BACKGROUND / 2
        return int(np.count_nonzero(np.diff(inked.astype(np.int8)) > 0))

    assert lines(60) == 2
    tall = np.full((1, 8, 8, 1), 255, np.uint8)
    low = [wrap_rows(tall, 1, "word " * 100 + str(index)) for index in range(60)]
    assert draw_grid(low).height < 2000


def test_names_are_not_drawn_over_each_other_where_rows_are_low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.display.grid.MAX_ASPECT", 1000)
    blocks = [wrap_rows(made(1, 4), 1, f"class {number}") for number in range(100)]
    assert draw_grid(blocks).height >= 100 * 14


def test_a_page_of_very_many_rows_goes_on_at_the_right() -> None:
    blocks = [wrap_rows(made(1, 32, 3), 1, f"class {number}") for number in range(100)]
    image = draw_grid(blocks)
    assert 0.5 < image.height / image.width < 2
    assert draw_grid([wrap_rows(made(7, 32, 3), 7, f"class {number}") for number in range(10)]).width < 900


def test_lines_that_belong_together_stand_closer_than_blocks() -> None:
    black = np.zeros((2, 8, 8, 1), np.uint8)
    page = np.asarray(draw_grid([PictureRows([black, black]), PictureRows([black, black])]))
    light = np.flatnonzero(page[:, MARGIN] == BACKGROUND)[MARGIN:-MARGIN]
    first, between, last = np.split(light, np.flatnonzero(np.diff(light) > 1) + 1)
    assert len(first) == len(last) == GAP < len(between)


def test_channels_that_no_picture_has() -> None:
    with pytest.raises(ZooError, match=r"4 channels cannot be shown as PNG$"):
        draw_grid([wrap_rows(made(2, 8, 4), 2)])


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(ZooError, match="No space left"):
        save_png(tmp_path / "a.png", draw_grid([wrap_rows(made(2), 2)]))
    assert not list(tmp_path.iterdir())


TEXTS = [
    "from 3 to 8 in 9 steps",
    "above: originals; below: edited to " + "a dog " * 40,
    "x" * 400,
    "from 3\n to\r\u2029 8\x85",
    "\n",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_caption_stands_above_the_unchanged_page(text: str, channels: int) -> None:
    blocks = [wrap_rows(made(4, channels=channels), 2)]
    bare, whole = draw_grid(blocks), draw_grid(blocks, text)
    assert whole.mode == bare.mode and whole.width >= bare.width
    top = whole.height - bare.height
    assert whole.crop((0, top, bare.width, whole.height)).tobytes() == bare.tobytes()
    head = np.asarray(whole.crop((0, 0, whole.width, top)).convert("L"))
    assert (head < BACKGROUND).any() == bool(text.strip()), "there is ink"
    assert (head[:, -MARGIN:] == BACKGROUND).all() and (head[:, : MARGIN - 1] == BACKGROUND).all()
