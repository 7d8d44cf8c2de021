"""Trainings on pictures that only a generator can use: of one class, or without class folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from samples import encoded, write

import zoo
from zoo.cli import main
from zoo.core.errors import DataError
from zoo.registry.listing import load_entry
from zoo.tuning.trial_worker import read_pictures

TINY = ("model.width=8", "model.blocks=1", "train.epochs=1", "train.batch=8", "--device", "cpu")


@pytest.fixture(params=["flat", "faces/all", "split/train"])
def folder(home: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of 24 pictures without classes, or of one class, or with a test split and no classes."""
    for number in range(24):
        write(home / request.param / f"{number}.png", encoded((10 * number, 90, 200), (8, 8)))
    if request.param == "split/train":
        for number in range(4):
            write(home / "split" / "test" / f"{number}.png", encoded((10 * number, 90, 200), (8, 8)))
    return home / str(request.param).split("/")[0]


def test_a_generator_learns_from_pictures_of_one_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = {"flat": "flat", "faces": "all", "split": "split"}[folder.name]
    assert main(["train", "vae", "--data", str(folder), "--out", "run", *TINY, "prior.components=2"]) == 0
    record = json.loads(Path("run/run.json").read_text(encoding="utf-8"))
    assert record["data"]["classes"] == [name]
    assert sum(record["pictures"].values()) == (28 if name == "split" else 24)
    if name != "flat":
        return
    capsys.readouterr()
    assert main(["evaluate", "run"]) == 0
    said = capsys.readouterr()
    assert "samples are not judged: a classifier as judge needs at least two classes" in said.err
    assert "bound" in said.out
    assert main(["evaluate", "run", "--judge", "cnn"]) == 3
    assert "all pictures are of one class" in capsys.readouterr().err
    assert main(["sample", "run", "-n", "2"]) == 0


def test_a_classifier_refuses_one_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cnn", "--data", str(folder), "--device", "cpu"]) == 3
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: all pictures are of one class, ")
    assert error.endswith("a classifier needs at least two, e.g. as PATH/CLASS/*.png, a generator such as vae only one")
    assert not list(Path("runs").glob("*/run.json"))


def test_comparisons_and_studies_of_a_classifier_refuse_one_class_at_once(home: Path) -> None:
    for number in range(24):
        write(home / "flat" / f"{number}.png", encoded((10 * number, 90, 200), (8, 8)))
    words = ["data.kind=folder", "data.path=flat"]
    with pytest.raises(DataError, match="all pictures are of one class, 'flat'"):
        zoo.compare("cnn", "model.norm=before,after", *words, device="cpu")
    with pytest.raises(DataError, match="all pictures are of one class, 'flat'"):
        read_pictures(load_entry("cnn", words))
    assert read_pictures(load_entry("vae", words))["info"]["classes"] == ("flat",)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vq-vae", ()),
        ("vae-nf", ()),
        ("vae-nf", ("text.kind=words",)),
    ],
)
def test_every_kind_of_generator_trains_on_one_class(
    home: Path, name: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(16):
        write(home / "flat" / f"{number}.png", encoded((10 * number, 90, 200), (8, 8)))
    assert main(["train", name, "--data", "flat", "--out", "run", *TINY, *options]) == 0, capsys.readouterr().err
    assert main(["sample", "run", *(["flat"] if name == "vae-nf" else []), "-n", "2"]) == 0, capsys.readouterr().err
