"""Captions of the pictures in a folder, by the layout of the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from samples import BLUE, RED, encoded, write
from zoo_data import folder
from zoo_data.folder import FolderSpec

from zoo.cli import main
from zoo.core.errors import DataError
from zoo.data import Loaded
from zoo.data.split import split

pytestmark = pytest.mark.usefixtures("home")


def pictures(root: Path, *names: str) -> Path:
    """Write small pictures, red ones and blue ones in turn."""
    for row, name in enumerate(names):
        write(root / name, encoded((RED, BLUE)[row % 2], kind="PNG"))
    return root


def jsonl(path: Path, *rows: Any) -> None:
    """Write a row for each line; text as it is."""
    write(path, "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode())


def captions(loaded: Loaded) -> dict[str, tuple[str, ...]]:
    """The captions of training pictures by name."""
    assert loaded.train.texts is not None
    return dict(zip(loaded.train.names, loaded.train.texts.rows(), strict=True))


def test_metadata_csv_gives_captions_and_no_classes(tmp_path: Path) -> None:
    """Several rows of a picture are several captions; commas and quotes are those of CSV."""
    root = pictures(tmp_path / "set", "a.png", "b.png", "c.png")
    write(root / "metadata.csv", b'\xef\xbb\xbffile_name,text\na.png,"red, and ""plain"""\na.png,a red one\nb.png,\n')
    loaded = folder.load(FolderSpec(path=root))
    assert loaded.classes == () and loaded.train.y.tolist() == [0, 0, 0]
    assert captions(loaded) == {"a.png": ('red, and "plain"', "a red one"), "b.png": (), "c.png": ()}
    assert folder.info(FolderSpec(path=root)).words == ("a", "and", "one", "plain", "red")
    assert loaded.notes == ()


def test_metadata_of_each_split_names_its_own_pictures(tmp_path: Path) -> None:
    """`file_name` is relative to the metadata, which may lie in a split or at the top."""
    root = pictures(tmp_path / "set", "train/a.png", "train/b.png", "test/a.png")
    rows = {"file_name": "a.png", "text": ["one", "two"]}, {"file_name": ".\\b.png", "caption": "b"}
    jsonl(root / "train" / "metadata.jsonl", *rows)
    write(root / "metadata.csv", b"file_name,text\ntest/a.png,of the test\n./train/a.png,three\n")
    loaded = folder.load(FolderSpec(path=root))
    assert captions(loaded) == {"train/a.png": ("three", "one", "two"), "train/b.png": ("b",)}
    assert loaded.test is not None and loaded.test.texts is not None
    assert loaded.test.texts.rows() == [("of the test",)]


def test_class_folders_stay_classes_beside_captions(tmp_path: Path) -> None:
    """Both are there for a model to choose."""
    root = pictures(tmp_path / "set", "red/1.png", "blue/1.png", "red/2.png", "blue/2.png")
    write(root / "metadata.csv", b"file_name,text\nred/1.png,a red one\n")
    loaded = folder.load(FolderSpec(path=root))
    assert loaded.classes == ("blue", "red")
    assert captions(loaded)["red/1.png"] == ("a red one",)


def test_bad_rows_are_noted_with_their_lines(tmp_path: Path) -> None:
    """They cost nobody else a caption."""
    root = pictures(tmp_path / "set", "a.png", "b.png")
    wrong = [
        "{no json",
        ["a.png"],
        {"text": "x"},
        {"file_name": "b.png", "text": 3},
        {"file_name": "b.png", "words": "x"},
    ]
    outside = {"file_name": "../secret.png", "text": "x"}
    jsonl(root / "metadata.jsonl", {"file_name": "a.png", "text": "fine"}, *wrong, outside)
    loaded = folder.load(FolderSpec(path=root))
    assert captions(loaded) == {"a.png": ("fine",), "b.png": ()}
    assert loaded.notes == (
        "metadata.jsonl: rows without a caption: 5 (line 2: no JSON object)",
        "metadata.jsonl: rows of files that are no pictures here: 1 ('../secret.png')",
    )


def test_metadata_without_captions_changes_nothing(tmp_path: Path) -> None:
    """The classes stay, and a note says why there are no captions."""
    root = pictures(tmp_path / "set", "red/1.png", "blue/1.png")
    write(root / "metadata.csv", b"file_name,label\nred/1.png,0\n")
    loaded = folder.load(FolderSpec(path=root))
    assert (loaded.classes, loaded.train.texts) == (("blue", "red"), None)
    assert loaded.notes == (
        "metadata.csv: rows without a caption: 1 (line 2: no column text or caption among file_name, label)",
    )


@pytest.mark.parametrize("rows", [b"train/a.png,\ntrain/b.png,  \n", b"test/a.png,a red one\n"])
def test_one_class_stays_where_no_training_picture_has_a_caption(tmp_path: Path, rows: bytes) -> None:
    """Empty captions are none, and those of other splits train nothing."""
    root = pictures(tmp_path / "set", "train/a.png", "train/b.png", "test/a.png")
    write(root / "metadata.csv", b"file_name,text\n" + rows)
    loaded = folder.load(FolderSpec(path=root))
    assert len(loaded.classes) == 1 and folder.info(FolderSpec(path=root)).classes == loaded.classes
    assert split(loaded, FolderSpec(path=root)).info.words == ()


def test_unreadable_metadata_is_an_error_and_a_second_file_a_note(tmp_path: Path) -> None:
    """Nobody can tell which captions are meant."""
    root = pictures(tmp_path / "set", "a.png", "b.png")
    write(root / "metadata.csv", b"file_name,text\na.png,\xff\xfe\n")
    with pytest.raises(DataError, match=r"metadata\.csv cannot be read: .*utf-8") as caught:
        folder.load(FolderSpec(path=root))
    assert "save it as UTF-8" in caught.value.hint
    write(root / "metadata.csv", b"file_name,text\na.png,fine\n")
    jsonl(root / "metadata.jsonl", {"file_name": "a.png", "text": "other"})
    loaded = folder.load(FolderSpec(path=root))
    assert captions(loaded)["a.png"] == ("fine",)
    assert loaded.notes == ("metadata.jsonl: not read, since metadata.csv is beside it",)


def test_changed_captions_are_read_anew(tmp_path: Path) -> None:
    """Decoded pictures are cached, and captions are not."""
    root = pictures(tmp_path / "set", "a.png", "b.png")
    for text in ("one", "two"):
        write(root / "metadata.csv", f"file_name,text\na.png,{text}\n".encode())
        assert captions(folder.load(FolderSpec(path=root)))["a.png"] == (text,)


def test_a_folder_with_captions_by_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the data counts captions; samples are drawn for those that the run keeps."""
    root = pictures(tmp_path / "set", *(f"{row}.png" for row in range(40)))
    rows = "".join(f"{row}.png,a {('red', 'blue')[row % 2]} picture\n" for row in range(38))
    write(root / "metadata.csv", f"file_name,text\n{rows}".encode())
    assert main(["inspect", str(root), "-o", "found"]) == 0
    assert "38 captions, 2 of them different, with 4 words; 2 pictures have none\n" in capsys.readouterr().out
    small = ["model.latent=2", "model.width=8", "prior.layers=1", "prior.width=8", "prior.context=4", "train.batch=8"]
    words = ["train.epochs=1", "text.kind=tokens", "data.size=8", "--device", "cpu"]
    assert main(["train", "vae-nf", "--data", str(root), *small, *words]) == 0
    shown = capsys.readouterr()
    assert "no classes; " in shown.out + shown.err
    assert main(["sample", "vae-nf", "-n", "4", "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["a red picture"] * 2 + ["a blue picture"] * 2
    assert main(["train", "vae-nf", "--data", str(root), *small, "train.epochs=1", "--device", "cpu"]) == 3
    assert "text.kind=tokens, words or sentence" in capsys.readouterr().err


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_may_separate_columns_otherwise(tmp_path: Path, separator: str) -> None:
    root = pictures(tmp_path / "set", "a.png", "b.png")
    rows = [["file_name", "text"], ["a.png", "red, plain"], ["b.png", "blue"]]
    write(root / "metadata.csv", "\n".join(separator.join(row) for row in rows).encode())
    assert captions(folder.load(FolderSpec(path=root))) == {"a.png": ("red, plain",), "b.png": ("blue",)}


def test_metadata_that_gives_nothing_is_said(tmp_path: Path) -> None:
    root = pictures(tmp_path / "set", "cat/a.png", "dog/b.png")
    write(root / "metadata.csv", b"name,text\na.png,red\n")
    write(root / "cat" / "metadata.csv", b"")
    notes = folder.load(FolderSpec(path=root)).notes
    assert "metadata.csv: rows without a caption: 1 (line 2: no column file_name among name, text)" in notes
    assert "cat/metadata.csv: it has no rows" in notes


def test_the_column_that_has_a_text_is_taken(tmp_path: Path) -> None:
    root = pictures(tmp_path / "set", "a.png", "b.png")
    jsonl(root / "metadata.jsonl", {"file_name": "a.png", "text": None, "caption": "red"})
    assert captions(folder.load(FolderSpec(path=root))) == {"a.png": ("red",), "b.png": ()}
