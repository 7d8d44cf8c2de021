"""`zoo predict` shows the most probable classes or all of them, and writes them to files."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import zoo
from zoo.cli import main

pytestmark = pytest.mark.usefixtures("run")


@pytest.fixture(autouse=True)
def pictures(run: Path) -> Path:
    """A folder of three pictures."""
    folder = Path("some")
    folder.mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints to stdout."""
    assert main(["predict", "tiny-1", "some", "--device", "cpu", *words]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What it prints as JSON."""
    return json.loads(printed(capsys, *words, "--json"))


def test_the_top_classes_are_those_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    found = zoo.load("tiny-1")("some", "cpu")
    rows = document(capsys, "--top", "3")["predictions"]
    assert [row["path"] for row in rows] == list(found.paths)
    for row, best in zip(rows, found.top(3), strict=True):
        assert row["label"] == row["top"][0]["label"] == best[0].label
        assert [one["label"] for one in row["top"]] == [one.label for one in best]
        assert [one["probability"] for one in row["top"]] == pytest.approx([one.probability for one in best])
    lines = printed(capsys, "--top", "3").splitlines()
    assert lines[0].split() == ["picture", "class", "probability"] and len(lines) == 1 + 3 * 3
    assert lines[1].split() == [str(Path("some/0.png")), found[0].label, f"{found[0].probability:.4f}"]


def test_all_classes(capsys: pytest.CaptureFixture[str]) -> None:
    about = document(capsys, "--all")
    assert about["classes"] == list("0123456789")
    for row in about["predictions"]:
        assert sum(row["probabilities"]) == pytest.approx(1) and max(row["probabilities"]) == row["probability"]
        assert about["classes"][int(np.argmax(row["probabilities"]))] == row["label"]
    assert len(printed(capsys, "--all").splitlines()) == 1 + 3 * 10


def test_the_document_has_no_more_than_before_without_these_options(capsys: pytest.CaptureFixture[str]) -> None:
    about = document(capsys)
    assert set(about) == {"predictions", "skipped"}
    assert all(set(row) == {"path", "label", "probability"} for row in about["predictions"])


@pytest.mark.parametrize(
    ("words", "further"),
    [
        ((), ()),
        (("--top", "2"), ("label_2", "probability_2")),
        (("--all",), tuple(f"probability of {name}" for name in range(10))),
    ],
)
def test_files_have_a_row_for_each_picture(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], further: tuple[str, ...]
) -> None:
    out = printed(capsys, *words, "--csv", "new/found.csv", "--parquet", "found.parquet")
    assert out.splitlines() == ["wrote new/found.csv: 3 pictures", "wrote found.parquet: 3 pictures"]
    found = zoo.load("tiny-1")("some", "cpu")
    with Path("new/found.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = pq.read_table("found.parquet").to_pydict()
    assert tuple(rows[0]) == tuple(columns) == ("path", "label", "probability", *further)
    assert [row["label"] for row in rows] == columns["label"] == found.labels
    assert [row["path"] for row in rows] == columns["path"] == list(found.paths)
    assert [float(row["probability"]) for row in rows] == columns["probability"]
    assert columns["probability"] == pytest.approx([each.probability for each in found])
    if "--all" in words:
        assert columns["probability of 7"] == pytest.approx(found.probabilities[:, 7].tolist())
    assert document(capsys, *words, "--csv", "again.csv")["files"] == ["again.csv"]


def test_more_classes_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(len(row["top"]) == 10 for row in document(capsys, "--top", "99")["predictions"])
    printed(capsys, "--top", "99", "--csv", "found.csv")
    assert Path("found.csv").read_text().splitlines()[0].endswith("label_10,probability_10")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--all", "--top", "3"], 2, "--top has no effect beside --all; give one of them"),
        (["--top", "0"], 2, "--top"),
        (["--csv", "some"], 7, "cannot save some"),
        (["--csv", "p.csv", "--parquet", "./p.csv"], 2, "--csv and --parquet name the same file './p.csv'"),
    ],
)
def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str], words: list[str], code: int, text: str) -> None:
    assert main(["predict", "tiny-1", "some", *words]) == code
    assert text in capsys.readouterr().err


def test_parquet_without_pyarrow_is_said_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert main(["predict", "tiny-1", "absent.png", "--parquet", "a.parquet"]) == 4
    assert "--parquet needs pyarrow; pip install pyarrow" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_in_another_encoding_is_escaped(capsys: pytest.CaptureFixture[str], pictures: Path) -> None:
    (pictures / "0.png").rename(pictures / b"\xe4.png".decode("utf-8", "surrogateescape"))
    printed(capsys, "--csv", "found.csv", "--parquet", "found.parquet")
    assert r"some/\udce4.png" in Path("found.csv").read_text(encoding="utf-8")
    assert r"some/\udce4.png" in pq.read_table("found.parquet")["path"].to_pylist()
