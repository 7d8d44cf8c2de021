"""Data are looked over before training: duplicates, leaks, odd pictures, balance and doubtful labels."""

from __future__ import annotations

import csv
import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import zoo
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.core.notes import collect_notes
from zoo.inspection.label_errors import find_label_errors
from zoo.inspection.pages import duplicate_rows, write_inspection

Capture = pytest.CaptureFixture[str]
SIDE = 32
BILINEAR = Image.Resampling.BILINEAR


def scene(seed: int) -> Image.Image:
    """A picture of blurred patches of colour, different for each seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return Image.fromarray(patches).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def recompressed(picture: Image.Image) -> Image.Image:
    file = BytesIO()
    picture.save(file, "JPEG", quality=60)
    return Image.open(file)


@pytest.fixture
def folder(home: Path) -> Path:
    """60 different pictures of two classes, half of them for training, and planted faults."""
    root = home / "pictures"
    for seed in range(60):
        write(root / ("train" if seed < 40 else "test") / ("cat" if seed % 2 else "dog") / f"{seed}.png", scene(seed))
    write(root / "train" / "cat" / "copy.png", scene(1))
    write(root / "test" / "cat" / "mirrored.png", scene(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    write(root / "test" / "dog" / "small.png", scene(2).resize((24, 24), BILINEAR).resize((SIDE, SIDE), BILINEAR))
    write(root / "train" / "dog" / "compressed.png", recompressed(scene(5)))
    write(root / "train" / "dog" / "blank.png", Image.new("RGB", (SIDE, SIDE), "navy"))
    write(root / "train" / "dog" / "odd.png", stripes())
    (root / "train" / "dog" / "broken.png").write_bytes(b"no picture")
    return root


def stripes() -> Image.Image:
    """A picture unlike the others: black, with one bright bar."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:, :5] = 255
    return Image.fromarray(pixels)


def write(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def test_planted_faults_are_found_and_nothing_else(folder: Path) -> None:
    found = zoo.inspect(folder, "data.size=32")
    assert {(each.picture, each.other, each.detail) for each in found.of("duplicate")} == {
        ("train/cat/copy.png", "train/cat/1.png", "equal"),
        ("test/cat/mirrored.png", "train/cat/3.png", "mirrored"),
        ("test/dog/small.png", "train/dog/2.png", "similar"),
        ("train/dog/compressed.png", "train/cat/5.png", "similar"),
    }
    assert [each.picture for each in found.of("blank")] == ["train/dog/blank.png"]
    assert [each.picture for each in found.of("odd")] == ["train/dog/odd.png"]
    assert [each.picture for each in found.of("unreadable")] == ["train/dog/broken.png"]
    assert len(found.leaks) == 2 and len(found.conflicts) == 1 and len(found.groups) == 4
    assert found.counts["test"] == [11, 11] and sum(found.counts["train"] + found.counts["valid"]) == 44


def test_the_command_writes_pages_and_a_table(folder: Path, capsys: Capture) -> None:
    assert main(["inspect", str(folder), "-o", "looked"]) == 0
    shown = capsys.readouterr().out
    assert "2 classes (cat, dog)" in shown and "duplicates: 8 pictures in 4 groups (" in shown
    assert "leak: 2 groups in several splits" in shown and "contradictions: 2 pictures" in shown
    names = sorted(path.name for path in Path("looked").iterdir())
    assert names == ["duplicates.png", "findings.csv", "odd.png", "samples.png"]
    with Path("looked/findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 and {row["problem"] for row in rows} == {"unreadable", "duplicate", "blank", "odd"}
    (copy,) = [row for row in rows if row["picture"] == "train/cat/copy.png"]
    assert (copy["split"], copy["label"], copy["other_label"]) == ("train", "cat", "cat")

    assert main(["inspect", str(folder), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["found"] == {"unreadable": 1, "duplicate": 4, "blank": 1, "odd": 1, "label": 0}
    assert about["leaks"] == 2 and about["pictures"]["test"] == {"cat": 11, "dog": 11}


def test_digits_are_clean_and_pictures_without_files_are_numbered(home: Path) -> None:
    x, y = digits()
    assert zoo.inspect((x[:300], y[:300])).findings == []
    x[7] = x[250]
    (finding,) = zoo.inspect({"train": (x[:200], y[:200]), "test": (x[200:300], y[200:300])}).findings
    assert (finding.problem, finding.picture[:5], finding.detail) == ("duplicate", "test:", "equal")


def test_pictures_that_cannot_be_drawn_have_the_table_alone(home: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 4), np.uint8)
    x[7] = x[50]
    found = zoo.inspect((x, np.arange(60) % 2))
    with collect_notes() as notes:
        assert write_inspection(found, Path("looked")) == [Path("looked/findings.csv")]
    assert notes == ["no pages: pictures with 4 channels cannot be shown as PNG"]
    assert Path("looked/findings.csv").read_text(encoding="utf-8").count("duplicate,") == 1
    assert not any(".png" in line for line in found.summary())


def test_leaks_stand_first_among_duplicates(home: Path) -> None:
    """The first of two groups is within the training pictures, the second crosses the splits."""
    x, y = (part[:400] for part in digits())
    x[3], y[3], x[250] = x[1], y[1], x[9]
    found = zoo.inspect({"train": (x[:200], y[:200]), "valid": (x[300:], y[300:]), "test": (x[200:300], y[200:300])})
    assert found.groups == [[1, 3], [9, len(x) - 50]] and found.leaks == found.groups[1:]
    assert ["test" in rows.name for rows in duplicate_rows(found)] == [True, False]


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images * 15.9375).astype(np.uint8), found.target.astype(np.int64)


def test_a_classifier_finds_wrong_labels(home: Path) -> None:
    x, y = (part[:300] for part in digits())
    wrong = np.arange(0, 300, 20)
    y[wrong] = (y[wrong] + 1 + wrong % 8) % 10
    found = zoo.inspect((x, y), run="cnn@digits", device="cpu").of("label")
    pixels = {picture.tobytes() for picture in x[wrong]}
    rows = zoo.inspect((x, y))
    by_name = dict(zip(zip(rows.splits, rows.pictures.names, strict=True), rows.pictures.nhwc.numpy(), strict=True))
    right = [by_name[each.split, each.picture].tobytes() in pixels for each in found]
    assert sum(right) == len(wrong) and sum(right[: len(wrong)]) == len(wrong)


def test_a_label_that_the_classifier_prefers_is_not_doubted() -> None:
    probabilities = torch.tensor([[0.5, 0.45, 0.05], [0.99, 0.01, 0.0], [0.8, 0.2, 0.0]])
    (error,) = find_label_errors(probabilities, torch.tensor([0, 0, 1]))
    assert (error.row, error.label, error.likely, round(error.margin, 4)) == (2, 1, 0, 0.6)


def test_folds_keep_the_names_of_files(folder: Path) -> None:
    found = zoo.inspect(folder, "data.folds=3", "data.fold=1")
    assert "train/cat/copy.png" in found.pictures.names and "fold" in " ".join(found.notes)


def test_leaks_are_said_where_data_are_read(home: Path, capsys: Capture) -> None:
    for seed in range(20):
        for split in ("train", "test"):
            if split == "train" or seed < 4:
                write(home / "both" / split / ("a" if seed % 2 else "b") / f"{seed}.png", scene(seed))
    tiny = ["model.blocks=2", "model.first=4", "model.last=8", "model.head=0", "train.epochs=1"]
    assert main(["train", "cnn", "--data", "both", *tiny]) == 0
    assert "leak: 4 test pictures are training pictures too" in capsys.readouterr().err


def test_bad_input_is_one_line(home: Path, capsys: Capture) -> None:
    with pytest.raises(ZooError, match="is not an option of the data"):
        zoo.inspect("digits", "train.epochs=3")
    for words in (["digits", "--run", "vae-nf"], ["no-such-folder"], ["digits", "train.lr=1"]):
        assert main(["inspect", *words]) in {2, 3}
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert line
    assert not (home / "inspection").exists()
    assert main(["inspect", "digits", "--device", "cpu"]) == 2
    assert "--device has no effect without --run" in capsys.readouterr().err
    (home / "taken").write_text("a file")
    assert main(["inspect", "digits", "-o", "taken"]) == 2
    assert capsys.readouterr().err.endswith("error: taken is a file; name a folder with -o\n")


def test_pages_of_an_earlier_inspection_go_away(folder: Path, capsys: Capture) -> None:
    assert main(["inspect", str(folder)]) == 0
    for path in ("train/cat/copy", "test/cat/mirrored", "test/dog/small", "train/dog/compressed", "train/dog/odd"):
        (folder / f"{path}.png").unlink()
    capsys.readouterr()
    assert main(["inspect", str(folder)]) == 0
    assert "duplicates: none" in capsys.readouterr().out
    assert sorted(path.name for path in Path("inspection").iterdir()) == ["findings.csv", "samples.png"]


def test_pictures_that_no_inspection_wrote_are_kept(home: Path, capsys: Capture) -> None:
    write(home / "mine" / "labels.png", scene(1))
    assert main(["inspect", "digits", "-o", "mine"]) == 2
    assert "mine has labels.png, which no inspection wrote; name another folder" in capsys.readouterr().err
    assert [path.name for path in Path("mine").iterdir()] == ["labels.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_in_another_encoding_is_escaped(folder: Path) -> None:
    copy = folder / "train" / "cat" / "copy.png"
    copy.rename(copy.with_name(b"caf\xe9.png".decode("utf-8", "surrogateescape")))
    assert main(["inspect", str(folder)]) == 0
    assert r"caf\udce9.png" in Path("inspection/findings.csv").read_text(encoding="utf-8")
