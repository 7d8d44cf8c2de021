"""Folders of pictures."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from samples import BLUE, GREEN, RED, encoded, one_line, write
from zoo_data import folder
from zoo_data.folder import FolderSpec
from zoo_data.folder_layout import Listing

from zoo.core.errors import DataError
from zoo.data.dataset import Loaded

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Two classes of eight pictures of 6x4 pixels, in every format."""
    root = tmp_path / "colours"
    for name, color in (("red", RED), ("blue", BLUE)):
        for place, kind in enumerate(["PNG", "JPEG", "WEBP", "BMP", "GIF", "PNG", "PNG", "PNG"]):
            write(root / name / f"{place}.{kind.lower()}", encoded(color, kind=kind))
    return root


def test_a_folder_is_read_with_its_classes_in_order(colours: Path) -> None:
    write(colours / "red" / "notes.txt", b"no picture")
    write(colours / "red" / ".hidden.png", b"no picture")
    write(colours / "red" / "deeper" / "9.PNG", encoded(RED))
    spec = FolderSpec(path=colours)
    loaded = folder.load(spec)
    assert loaded.classes == ("blue", "red")
    assert loaded.train.x.shape == (17, 3, 4, 6)
    assert torch.bincount(loaded.train.y).tolist() == [8, 9]
    assert loaded.skipped == ()
    for color, label in ((BLUE, 0), (RED, 1)):
        some = loaded.train.x[loaded.train.y == label].float()
        assert (some - torch.tensor(color).view(3, 1, 1)).abs().max() < 12  # JPEG and GIF lose a little
    assert folder.info(spec)[:2] == ((3, 4, 6), ("blue", "red"))


def test_a_folder_is_decoded_again_only_when_a_file_changes(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[FolderSpec] = []
    decode = folder.decode_all

    def counted(spec: FolderSpec, files: Listing) -> Loaded:
        calls.append(spec)
        return decode(spec, files)

    monkeypatch.setattr(folder, "decode_all", counted)
    for _ in range(2):
        folder.load(FolderSpec(path=colours))
    assert len(calls) == 1
    folder.load(FolderSpec(path=colours, size=8))
    write(colours / "red" / "0.png", encoded(GREEN, (7, 4)))
    assert int(folder.load(FolderSpec(path=colours, size=4)).train.x[:, 1].max()) > 200
    assert len(calls) == 3


def test_splits_of_a_folder_are_honoured(colours: Path, tmp_path: Path) -> None:
    root = tmp_path / "whole"
    for name in ("train", "val"):
        for color in ("red", "blue"):
            for place in range(4 if name == "train" else 2):
                write(root / name / color / f"{place}.png", (colours / color / "0.png").read_bytes())
    write(root / "test" / "unsorted.png", encoded(RED))
    loaded = folder.load(FolderSpec(path=root))
    assert (len(loaded.train), loaded.valid and len(loaded.valid), loaded.test) == (8, 4, None)
    assert loaded.notes == ("left out: pictures in test without class folders (1)",)
    write(root / "test" / "green" / "0.png", encoded(GREEN))
    with pytest.raises(
        DataError, match="test has pictures of class 'green', but train of 'blue', 'red'; give"
    ) as error:
        folder.load(FolderSpec(path=root))
    one_line(error)
    write(root / "test" / "red" / "0.png", encoded(RED))
    loaded = folder.load(FolderSpec(path=root))
    assert loaded.classes == folder.info(FolderSpec(path=root)).classes == ("blue", "red")
    assert loaded.test is not None
    assert loaded.test.y.tolist() == [1]
    assert loaded.notes[-1] == "left out: test pictures of classes without training pictures, 'green' (1)"


def test_pictures_of_any_size_become_one(colours: Path) -> None:
    half = np.zeros((40, 80, 3), np.uint8)
    half[:, 20:60] = 255  # the middle square is white
    Image.fromarray(half).save(colours / "red" / "0.png")
    crop = folder.load(FolderSpec(path=colours, size=20)).train.x[8]
    squash = folder.load(FolderSpec(path=colours, size=20, fit="squash")).train.x[8]
    assert crop.shape == (3, 20, 20)
    assert crop.float().mean() > 240
    assert 110 < squash.float().mean() < 145


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 20)] * 3, (20, 28)),
        ([(300, 200), (90, 120), (80, 500)], (64, 64)),
        ([(20, 30), (24, 24), (40, 22)], (22, 22)),
    ],
)
def test_the_size_follows_the_pictures(tmp_path: Path, sizes: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    for place, size in enumerate(sizes):
        write(tmp_path / "set" / "abc"[place] / "1.png", encoded(RED, size))
    assert folder.info(FolderSpec(path=tmp_path / "set")).shape == (3, *expected)


def test_modes_are_brought_to_eight_bits(tmp_path: Path) -> None:
    root = tmp_path / "set"
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([*GREEN, *BLUE])
    deep = Image.fromarray(np.full((4, 4), 0x8000, np.uint16))
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    turned = Image.fromarray(np.repeat(np.array([[0], [0], [255], [255]], np.uint8), 4, 1))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    for name, image in (("a", palette), ("b", deep), ("c", clear)):
        write(root / name / "x", b"")
        image.save(root / name / "1.png")
    (root / "d").mkdir()
    turned.save(root / "d" / "1.png", exif=exif)
    x = folder.load(FolderSpec(path=root)).train.x
    assert x[0, :, 0, 0].tolist() == list(BLUE)
    assert set(x[1].flatten().tolist()) == {128}
    assert set(x[2].flatten().tolist()) == {255}
    assert x[3, 0, :, 0].tolist() == [255, 255, 0, 0]
    assert folder.load(FolderSpec(path=root, channels=1)).train.x.shape == (4, 1, 4, 4)


def test_grey_pictures_stay_grey_unless_one_is_not(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for place in range(70):
            write(tmp_path / "set" / name / f"{place:02}.png", encoded(99, mode="L"))
    assert folder.load(FolderSpec(path=tmp_path / "set")).train.x.shape == (140, 1, 4, 6)
    assert folder.load(FolderSpec(path=tmp_path / "set", channels=3)).train.x.shape == (140, 3, 4, 6)
    write(tmp_path / "set" / "a" / "01.png", encoded(RED))
    with pytest.raises(DataError, match=r"a/01.png is in colour.*set data.channels=3") as error:
        folder.load(FolderSpec(path=tmp_path / "set"))
    one_line(error)


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"IDAT" + zlib.compress(b"\0")
    pack = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (chunk, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pack)


def test_files_that_cannot_be_read_are_listed_and_skipped(colours: Path) -> None:
    whole = encoded(RED, (64, 64), "JPEG")
    bad = {
        "cut.jpg": whole[: len(whole) // 2],
        "empty.png": b"",
        "text.png": b"just a note",
        "targa.png": encoded(RED, kind="TGA"),
        "large.png": bomb(4001),
        "bomb.png": bomb(10_000),
        "worse.png": bomb(60_000),
    }
    for name, content in bad.items():
        write(colours / "red" / name, content)
    (colours / "red" / "gone.png").symlink_to("nowhere.png")
    (colours / "red" / "folder.png").mkdir()
    count = len(bad) + 1
    if hasattr(os, "mkfifo"):
        os.mkfifo(colours / "red" / "pipe.png")
        count += 1
    for _ in range(2):  # decoded, then from the cache
        loaded = folder.load(FolderSpec(path=colours, max_bad=0.5))
        assert len(loaded.train) == 16
        reasons = dict(loaded.skipped)
        assert len(reasons) == count
        assert reasons["red/text.png"] == reasons["red/targa.png"] == "not a picture of a known format"
        assert reasons["red/large.png"] == "it has 4001x4001 pixels, more than 16 million"
        assert reasons.get("red/pipe.png", "not a regular file") == "not a regular file"
        assert "truncated" in reasons["red/cut.jpg"].lower()
        assert "No such file" in reasons["red/gone.png"]
        with pytest.raises(DataError, match=f"more than 1 of {16 + count} pictures cannot be read .red/") as error:
            folder.load(FolderSpec(path=colours))
        one_line(error)


def test_one_bad_file_is_skipped_unless_none_may_be(colours: Path) -> None:
    write(colours / "red" / "empty.png", b"")
    assert [name for name, _ in folder.load(FolderSpec(path=colours)).skipped] == ["red/empty.png"]
    with pytest.raises(DataError, match="more than 0 of 17"):
        folder.load(FolderSpec(path=colours, max_bad=0))


def test_wrong_paths_are_one_line(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing" / "red").mkdir(parents=True)
    for path, message in (
        (tmp_path / "colour", "does not exist; did you mean 'colours'"),
        (colours / "red" / "0.png", "is a file"),
        (tmp_path / "nothing", "no pictures in .*expected .*/CLASS/"),
    ):
        with pytest.raises(DataError, match=message) as error:
            folder.load(FolderSpec(path=path))
        one_line(error)
