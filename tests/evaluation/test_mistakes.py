"""`zoo evaluate` writes what a classifier predicts for each picture, and a page of those that it gets wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import zoo
from zoo.cli import main
from zoo.core.types import DataInfo
from zoo.data.dataset import Pictures
from zoo.evaluation.classified import ClassifiedSplit
from zoo.evaluation.mistakes import mistake_rows, write_mistakes


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluated(run: Path, *words: str) -> list[dict[str, str]]:
    """Evaluate on the command line and read the predictions."""
    assert main(["evaluate", str(run), "--device", "cpu", *words]) == 0
    return rows_of(run / "evaluation" / "test-predictions.csv")


def test_each_picture_has_its_row_in_both_files(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = evaluated(run)
    found = zoo.evaluate(run, device="cpu")
    split = found.predictions
    assert split is not None and repr(split).startswith("<ClassifiedSplit of 359 test pictures, ")
    assert [int(row["row"]) for row in rows] == list(range(359))
    assert [row["true"] for row in rows] == [split.classes[label] for label in split.labels.tolist()]
    right = [row["true"] == row["label"] for row in rows]
    assert np.mean(right) == pytest.approx(found.metrics["accuracy"])
    assert np.mean([float(row["loss"]) for row in rows]) == pytest.approx(found.metrics["loss"], rel=1e-5)
    among = [row["true"] in [row["label"], *(row[f"label_{rank}"] for rank in range(2, 6))] for row in rows]
    assert np.mean(among) == pytest.approx(found.metrics["top5_accuracy"])
    for row, hit in zip(rows, right, strict=True):
        if hit:
            assert float(row["loss"]) == pytest.approx(-np.log(float(row["probability"])), abs=1e-5)
    table = pq.read_table(run / "evaluation" / "test-predictions.parquet")
    assert table.column_names == list(rows[0]) and table["row"].type == "int64" and table["loss"].type == "double"
    assert [str(name) for name in table["label_5"].to_pylist()] == [row["label_5"] for row in rows]
    err = capsys.readouterr().err
    assert f"wrote {run / 'evaluation' / 'test-mistakes.png'}" in err and "test-predictions.parquet" in err


def test_without_pyarrow_there_is_the_csv_file_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.cli.views.predictions.find_spec", lambda name: None)
    assert len(evaluated(run)) == 359
    assert not (run / "evaluation" / "test-predictions.parquet").exists()


def test_pictures_of_files_are_called_by_their_paths(run: Path) -> None:
    x = zoo.load(run).entry.data.kind.load(zoo.load(run).entry.data.spec).train
    for number in range(60):
        folder = Path("mine", "train" if number < 30 else "test", str(int(x.y[number])))
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x.nhwc[number, ..., 0].numpy()).save(folder / f"seen {number}.png")
    rows = evaluated(run, "--data", "mine")
    assert len(rows) == 30 and "row" not in rows[0]
    for row in rows:
        assert (Path("mine") / row["path"]).is_file() and f"test/{row['true']}/" in row["path"].replace("\\", "/")


def split_of(labels: list[int], predicted: list[int], confidence: list[float], **more: Any) -> ClassifiedSplit:
    """Pictures of three classes, each predicted with a confidence, the rest of which is shared by the others."""
    shares = torch.tensor(confidence)[:, None]
    scores = ((1 - shares) / 2).expand(-1, 3).clone().scatter(1, torch.tensor(predicted)[:, None], shares).log()
    x = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 4, 4, 3)
    pictures = Pictures(Pictures.of(x, labels).x, torch.tensor(labels), **more)
    return ClassifiedSplit("test", DataInfo.of((3, 4, 4), ("cat", "dog", "cow")).classes, pictures, scores)


def test_the_worst_are_grouped_by_the_pair_of_classes() -> None:
    names = tuple(f"set/{row}.png" for row in range(5))
    found = split_of([0, 0, 1, 2, 2], [1, 1, 1, 0, 2], [0.6, 0.9, 0.9, 0.95, 0.4], names=names)
    worst, *pairs = mistake_rows(found)
    assert [tile.lines[:2] for tile in worst.tiles] == [
        ("3.png", "cow ▸ cat"),
        ("1.png", "cat ▸ dog"),
        ("0.png", "cat ▸ dog"),
    ]
    assert [int(tile.picture[0, 0, 0]) for tile in worst.tiles] == [3, 1, 0]
    assert [(row.title, [tile.lines for tile in row.tiles]) for row in pairs] == [
        ("cat ▸ dog: 2 pictures", [("1.png", "0.05 ▸ 0.90"), ("0.png", "0.20 ▸ 0.60")]),
        ("cow ▸ cat: 1 picture", [("3.png", "0.03 ▸ 0.95")]),
    ]


def test_a_page_of_before_goes_when_all_are_right(home: Path) -> None:
    page = home / "mistakes.png"
    assert write_mistakes(split_of([0, 1], [0, 2], [0.9, 0.9]), page, "run") == page
    with Image.open(page) as image:
        assert image.mode == "RGB"
    assert write_mistakes(split_of([0, 1], [0, 1], [0.9, 0.9]), page, "run") is None
    assert not page.exists()


def test_hostile_names_are_drawn_in_one_line(home: Path) -> None:
    names = ("a\nb\x1b[31m" + "ä" * 300 + ".png", "\u202e" * 9)
    assert write_mistakes(split_of([0, 1], [1, 0], [0.9, 0.9], names=names), home / "page.png", "run") is not None
