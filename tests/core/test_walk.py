"""Walks over folders of pictures: their order, what they leave out, and where they may not look."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zoo_data.parquet_files import find_files

from zoo.core import DataError, format_left_out, picture_files, subfolders


def touch(root: Path, *names: str) -> None:
    """Make empty files, with the folders above them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a folder of this name be unreadable, which it would not be for root."""
    scan: Callable[..., Any] = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_files_are_in_order_and_the_rest_is_counted(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "in/z.tif", "in/deep/y.avif", "also/x.jfif", "c.PPM", "d.jp2")
    touch(tmp_path, "notes.txt", "in/more.TXT", "LICENSE", ".secret.png", "Thumbs.db", "in/.DS_Store", "._b.png")
    touch(tmp_path, "__MACOSX/b.png", ".cache/b.png", "photo.heic")
    left_out: Counter[str] = Counter()
    names = [path.relative_to(tmp_path).as_posix() for path in picture_files(tmp_path, left_out)]
    assert names == ["a.JPG", "b.png", "c.PPM", "d.jp2", "also/x.jfif", "in/z.tif", "in/deep/y.avif"]
    assert left_out == {
        ".txt files": 2,
        ".heic files": 1,
        "files without a suffix": 1,
        "hidden files": 1,
        "hidden folders": 1,
        "files of the system": 3,
        "folders of the system": 1,
    }
    assert [path.name for path in subfolders(tmp_path)] == ["also", "in"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_to_folders_are_followed_as_deep_as_asked_and_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "store/a.png", "set/cat/b.png")
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "cat" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "nowhere").symlink_to(tmp_path / "gone")
    for depth, count in ((0, 1), (1, 2)):
        left_out: Counter[str] = Counter()
        assert len(list(picture_files(tmp_path / "set", left_out, follow_links=depth))) == count
        assert left_out["links to folders"] == 2 - depth
    assert len(list(picture_files(tmp_path / "set", follow_links=9))) < 100


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "open/a.png", "shut/b.png")
    forbid(monkeypatch, "shut")
    with pytest.raises(DataError, match=r"cannot read the folder .*shut: Permission denied; allow it"):
        list(picture_files(tmp_path))
    with pytest.raises(DataError, match="cannot read the folder"):
        subfolders(tmp_path / "shut")


def test_what_is_left_out_is_one_short_line() -> None:
    assert not format_left_out(Counter())
    many = Counter({f".x{number} files": number for number in range(1, 10)})
    text = format_left_out(many)
    assert text.startswith("left out: .x9 files (9), .x8 files (8)")
    assert text.endswith("others (1)")


def test_parquet_files_are_found_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "b/train.parquet", "a.PARQUET", ".cache/x.parquet", "README.md")
    caplog.set_level(logging.INFO, "zoo")
    assert [path.name for path in find_files(tmp_path)] == ["a.PARQUET", "train.parquet"]
    assert "left out: .md files (1), hidden folders (1)" in caplog.text
    forbid(monkeypatch, "b")
    with pytest.raises(DataError, match="cannot read the folder"):
        find_files(tmp_path)
