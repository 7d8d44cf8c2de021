"""Pages get the next free number; neither two processes nor a killed one leave an empty file."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from zoo.cli.views import pages
from zoo.cli.views.pages import save_numbered, write_page
from zoo.core.errors import ResourceError, ZooError
from zoo.core.notes import collect_notes
from zoo.display.grid import save_png

Patch = pytest.MonkeyPatch


class ToyPage:
    """A page of one colour."""

    def __init__(self, value: int = 0) -> None:
        self.value, self.pictures = value, torch.zeros(1, 1, 2, 2)

    def save(self, path: str | Path) -> None:
        assert not any(file.stat().st_size == 0 for file in Path(path).parent.glob("*.png")), "a number without a page"
        save_png(Path(path), Image.new("L", (2, 2), self.value))


@pytest.fixture(params=["links", "no links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Patch) -> Path:
    """Where pages go, on a file system with or without links."""
    if request.param == "no links":

        def refuse(self: Path, target: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    return tmp_path / "samples"


def test_pages_are_numbered_on(folder: Path) -> None:
    assert save_numbered(ToyPage(), folder) == folder / "0001.png"
    (folder / "0007-cat").mkdir()
    assert save_numbered(ToyPage(), folder).name == "0008.png"
    assert sorted(path.name for path in folder.iterdir()) == ["0001.png", "0007-cat", "0008.png"]
    if sys.platform != "win32":
        umask = os.umask(0o022)
        os.umask(umask)
        assert (folder / "0008.png").stat().st_mode & 0o777 == 0o666 & ~umask


def test_numbers_of_five_digits_go_on(folder: Path) -> None:
    (folder / "9999-best").mkdir(parents=True)
    assert [save_numbered(ToyPage(), folder).name for _ in range(2)] == ["10000.png", "10001.png"]


def test_pages_saved_at_once_have_numbers_of_their_own(folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        paths = list(threads.map(lambda value: save_numbered(ToyPage(value), folder), range(12)))
    assert [Image.open(path).getpixel((0, 0)) for path in paths] == list(range(12))
    assert sorted(path.name for path in paths) == [f"{number:04d}.png" for number in range(1, 13)]
    assert len(list(folder.iterdir())) == 12


def test_a_page_that_fails_takes_no_number(folder: Path) -> None:
    class Full(ToyPage):
        def save(self, path: str | Path) -> None:
            raise ResourceError("no space")

    with pytest.raises(ResourceError, match="no space"):
        save_numbered(Full(), folder)
    assert list(folder.iterdir()) == []
    assert save_numbered(ToyPage(), folder).name == "0001.png"


def test_other_than_grey_and_rgb_pictures_are_written_as_tensors(tmp_path: Path) -> None:
    page, folder, tensors = ToyPage(), tmp_path / "samples", tmp_path / "x.safetensors"
    page.pictures = torch.rand(2, 4, 2, 2)
    with pytest.raises(ZooError, match="4 channels cannot be shown as PNG; write the tensors instead, with --tensors"):
        write_page(page, folder, None, None, separate=False)
    with collect_notes() as notes:
        assert write_page(page, folder, None, str(tensors), separate=True) == {"grid": None, "files": [str(tensors)]}
    assert notes == ["no page: pictures with 4 channels cannot be shown as PNG"] and not folder.exists()
    assert torch.equal(load_file(tensors)["pictures"], page.pictures)


def test_what_a_killed_process_left_is_swept(folder: Path, monkeypatch: Patch) -> None:
    class Killed(ToyPage):
        def save(self, path: str | Path) -> None:
            raise SystemExit

    kept: list[Any] = []
    monkeypatch.setattr(pages, "remove", kept.append)
    monkeypatch.setattr("zoo.core.temporary.os.getpid", lambda: 999_999_999)
    with pytest.raises(SystemExit):
        save_numbered(Killed(), folder)
    monkeypatch.undo()
    (left,) = folder.iterdir()
    assert left == kept[0] and left.name.startswith(".")
    assert save_numbered(ToyPage(), folder).name == "0001.png"
    assert [path.name for path in folder.iterdir()] == ["0001.png"]
