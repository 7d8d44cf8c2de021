"""Which folders of a set are splits and which are classes, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import BLUE, RED, encoded, one_line, write
from zoo_data import folder
from zoo_data.folder import FolderSpec

from zoo.core.errors import DataError
from zoo.data.dataset import Loaded

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The folder of a set."""
    return tmp_path / "set"


def fill(root: Path, *folders: str, count: int = 2) -> Path:
    """Write a few pictures into folders of a set."""
    for name in folders:
        for number in range(count):
            write(root / name / f"{number}.png", encoded(RED if number else BLUE))
    return root


def load(root: Path) -> Loaded:
    """Load a set as a data kind does."""
    return folder.load(FolderSpec(path=root))


def refused(root: Path) -> str:
    """The error that a set ends with."""
    with pytest.raises(DataError) as error:
        load(root)
    with pytest.raises(DataError):
        folder.info(FolderSpec(path=root))
    return one_line(error)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Train", "Validation", "Test"),
        ("TRAINING", "dev", "testing"),
        ("my_train", "my_eval", "my_test"),
        ("mnist-training-set", "mnist-valid-set", "mnist-test-set"),
        ("train2017", "val2017", "test2017"),
    ],
)
def test_splits_are_found_by_a_word_in_any_case(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, count in zip(names, (4, 2, 3), strict=True):
        fill(tmp_path, f"{name}/cat", f"{name}/dog", count=count)
    loaded = load(tmp_path)
    assert loaded.classes == ("cat", "dog")
    assert {split: len(part) for split, part in loaded.parts().items()} == {"train": 8, "valid": 4, "test": 6}
    assert loaded.notes == ()
    assert folder.info(FolderSpec(path=tmp_path)).classes == ("cat", "dog")


def test_a_word_within_a_longer_one_says_no_split(tmp_path: Path) -> None:
    fill(tmp_path, "contest/a", "trainer/a", "valley", "test tube")
    assert load(tmp_path).classes == ("contest", "test tube", "trainer", "valley")


def test_a_class_may_be_named_as_a_split(tmp_path: Path) -> None:
    fill(tmp_path, "bus", "plane", "train")
    assert load(tmp_path).classes == ("bus", "plane", "train")


def test_what_is_beside_the_splits_is_said(whole: Path) -> None:
    fill(whole, "train/cat", "train/dog", "extra/cat", "old")
    fill(whole, "test", "train", ".", count=1)
    (whole / "train" / "frog").mkdir()
    (whole / "backup").mkdir()
    loaded = load(whole)
    assert (loaded.classes, list(loaded.parts())) == (("cat", "dog"), ["train"])
    (text,) = loaded.notes
    for part in (
        "pictures in extra, old beside the splits (4)",
        "pictures in test without class folders (1)",
        "pictures beside the splits (1)",
        "pictures beside the class folders (1)",
        "folders without pictures: frog (1)",
        "folders without pictures: backup (1)",
    ):
        assert part in text
    assert load(whole).notes == loaded.notes  # also from the cache


def test_what_is_beside_the_classes_is_said(whole: Path) -> None:
    fill(whole, "cat", "dog", "__MACOSX/cat")
    for name in ("a.png", "notes.txt", "cat/b.heic", "cat/Thumbs.db"):
        write(whole / name, b"")
    (whole / "frog").mkdir()
    loaded = load(whole)
    assert loaded.classes == ("cat", "dog")
    kinds = (
        ".heic files",
        ".txt files",
        "files of the system",
        "folders of the system",
        "folders without pictures: frog",
    )
    assert loaded.notes == (f"left out: {' (1), '.join((*kinds, 'pictures beside the class folders'))} (1)",)
    write(whole / "more.txt", b"")
    assert ".txt files (2)" in load(whole).notes[0]  # though the pictures come from the cache


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("test/a", "val/a"), "has pictures of valid, test .test, val. but none to train on; expected .*/train/CLASS"),
        (("test", "val"), "none to train on"),
        (("train", "test/a"), "test has class folders, but .*train has none; sort"),
        (("train/a", "training/a"), "several folders of train pictures: train, training; put"),
        (("train/a", "val/a", "dev/a"), "several folders of valid pictures: dev, val"),
        (("train", "my-train", "test"), "several folders of train pictures"),
        (("x/train/a", "y/train/a"), "several folders of train pictures: x/train, y/train; give one .*data.path=.*/x"),
        (("cat/test", "cat/more", "dog/Test"), "several folders of test pictures: cat/test, dog/Test"),
        (
            ("trainA", "trainB", "testA", "testB"),
            "classes in .* are like those of splits: testA, testB, trainA, trainB",
        ),
        (("train_test/train", "train_test/test"), "like those of splits: test, train"),
        (("pets/cat", "pets/dog"), "are in its folder pets, which has the folders cat, dog; .*data.path=.*/pets"),
        (("a/b/cat", "a/b/dog"), "are in its folder a/b, which .*data.path=.*/a/b"),
        (("pets/train/cat", "pets/test/cat"), "in its folder pets, which has the folders test, train; .*/pets"),
        (("__MACOSX/pets/cat", "pets/cat", "pets/dog"), "in its folder pets"),
    ],
)
def test_what_may_be_misunderstood_is_refused_with_a_hint(tmp_path: Path, folders: list[str], message: str) -> None:
    fill(tmp_path / "set", *folders)
    text = refused(tmp_path / "set")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(text)


def test_pictures_without_class_folders_are_one_class(tmp_path: Path) -> None:
    root = fill(tmp_path / "faces", ".", count=5)
    assert (load(root).classes, len(load(root).train)) == (("faces",), 5)
    split = fill(tmp_path / "more", "Train", "test", count=3)
    loaded = load(split)
    assert loaded.classes == ("more",)
    assert {name: len(part) for name, part in loaded.parts().items()} == {"train": 3, "test": 3}
    assert load(fill(tmp_path / "one", "all")).classes == ("all",)


def test_several_formats_are_read_and_counted(whole: Path) -> None:
    kinds = {
        "png": "PNG",
        "jfif": "JPEG",
        "jpe": "JPEG",
        "tif": "TIFF",
        "TIFF": "TIFF",
        "ppm": "PPM",
        "jp2": "JPEG2000",
    }
    for suffix, kind in kinds.items():
        write(whole / "red" / f"a.{suffix}", encoded(RED, (16, 16), kind))
        write(whole / "blue" / f"a.{suffix}", encoded(BLUE, (16, 16), kind))
    write(whole / "red" / "grey.pgm", encoded(9, (16, 16), "PPM", "L"))
    loaded = load(whole)
    assert (len(loaded.train), loaded.skipped) == (15, ())
    assert loaded.notes == (".jfif (2), .jp2 (2), .jpe (2), .png (2), .ppm (2), .tif (2), .tiff (2), .pgm (1)",)
