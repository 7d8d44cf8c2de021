"""A training takes pictures and labels as arrays, in any layout, and finds the same ones again by their fingerprint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import zoo
from zoo.cli import main
from zoo.core.errors import DataError
from zoo.data.arrays import as_array
from zoo.data.dataset import Pictures
from zoo.data.given import keep_arrays, to_loaded
from zoo.registry.build import build_data
from zoo.registry.listing import load_entry
from zoo.training.callbacks import Callback

TINY = ("model.blocks=2", "model.first=4", "model.last=8", "train.epochs=2", "train.batch=40")
pytestmark = pytest.mark.usefixtures("home")
X, Y = np.round(load_digits().images[:120] * 255 / 16).astype(np.uint8), load_digits().target[:120]
COLOUR = np.repeat(X[..., None], 3, 3)


class Kill(Callback):
    """Kills the training at a step."""

    def step(self) -> None:
        raise SystemExit("killed")


def splits_of(x: Any, y: Any, *words: str) -> Any:
    """The splits that a training would read."""
    return build_data(load_entry("cnn", ["data.kind=arrays", f"data.fingerprint={keep_arrays((x, y))}", *words]).data)[
        0
    ]


@pytest.mark.parametrize(
    "x",
    [
        X[..., None],
        X[:, None],
        X / 255,
        torch.tensor(X),
        torch.tensor(X)[:, None].float() / 255,
        torch.tensor(X)[..., None],
        X.astype(int),
        list(X),
        X.tolist(),
    ],
)
def test_every_layout_is_the_same_data(x: Any) -> None:
    assert keep_arrays((x, Y)) == keep_arrays((X, Y))
    assert splits_of(x, Y).train.x.shape[1:] == (1, 8, 8)


def test_colour_in_every_layout() -> None:
    first = COLOUR.transpose(0, 3, 1, 2)
    assert len({keep_arrays((x, Y)) for x in (COLOUR, first, torch.tensor(first), COLOUR / 255)}) == 1
    found = splits_of(COLOUR, Y, "data.valid=0", "data.test=0").train
    assert torch.equal(found.x, torch.tensor(first)) and found.y.tolist() == Y.tolist()


def test_labels_become_classes_in_their_order() -> None:
    for labels in (Y * 10, torch.tensor(Y * 10), (Y * 10)[:, None], (Y * 10).tolist()):
        assert splits_of(X, labels).info.classes == tuple(str(10 * n) for n in range(10))
    words = np.array(["dog", "cat"])[Y % 2]
    for labels in (words, words.tolist(), words.astype(object)):
        found = splits_of(X, labels, "data.valid=0", "data.test=0")
        assert found.info.classes == ("cat", "dog")
        assert [found.info.classes[label] for label in found.train.y] == words.tolist()
    assert splits_of(X, Y > 4).info.classes == ("False", "True")


def test_splits_with_labels_of_other_integer_types_have_the_same_classes() -> None:
    data = {"train": (X[:80], Y[:80].astype(np.uint64)), "test": (X[80:], Y[80:].astype(np.int64))}
    assert to_loaded(data).classes == tuple(str(n) for n in range(10))
    with pytest.raises(DataError, match="the label 18446744073709551615 is too large"):
        to_loaded((X[:2], np.array([0, 2**64 - 1], np.uint64)))


def test_the_fingerprint_of_strided_labels_is_that_of_a_copy() -> None:
    pictures = np.zeros((60, 1, 8, 8), np.uint8)
    strided, copied = (Pictures.of(torch.tensor(pictures), y) for y in (Y[:120:2], Y[:120:2].copy()))
    assert strided.fingerprint() == copied.fingerprint()


def test_splits_are_kept_as_they_are() -> None:
    fingerprint = keep_arrays({"train": (X[:80], Y[:80]), "val": (X[80:100], Y[80:100]), "test": (X[100:], Y[100:])})
    found, _ = build_data(load_entry("cnn", ["data.kind=arrays", f"data.fingerprint={fingerprint}"]).data)
    assert [len(part) for part in found[:3]] == [80, 20, 20]
    assert found.test.fingerprint() == Pictures.of(X[100:], Y[100:]).fingerprint()


def test_a_run_of_arrays_says_so_and_is_used_like_any(capsys: pytest.CaptureFixture[str]) -> None:
    done = zoo.train("cnn", *TINY, data=(X, Y), device="cpu")
    run = zoo.load(done.run)
    assert run.entry.data.name == "arrays" and len(run.entry.data.spec.model_dump()["fingerprint"]) == 64
    assert run.record["notes"][0].startswith("arrays: 10 classes (0, 1, 2, ")
    assert zoo.evaluate(done.run, device="cpu").pictures == run.record["pictures"]["test"]
    assert main(["evaluate", str(done.run), "--device", "cpu"]) == 0
    assert len(run(X, "cpu")) == 120
    assert "arrays" in capsys.readouterr().err


def test_a_run_is_evaluated_on_other_arrays() -> None:
    done = zoo.train("cnn", *TINY, data=(X, Y), device="cpu")
    digits = load_digits()
    other = (digits.images[200:400] / 16, digits.target[200:400])
    found = zoo.evaluate(done.run, "data.test=0.5", data=other, device="cpu")
    assert found.pictures == 100
    with pytest.raises(DataError, match="was trained on the classes"):
        zoo.evaluate(done.run, data=(X, Y % 3), device="cpu")


def test_a_killed_run_resumes_with_the_same_arrays_only(home: Path) -> None:
    words = (*TINY, "train.save_seconds=0")
    whole = zoo.train("cnn", *words, data=(X, Y), device="cpu", out="whole")
    with pytest.raises(SystemExit):
        zoo.train("cnn", *words, data=(X, Y), device="cpu", callback=Kill())
    other = zoo.train("cnn", *words, data=(X, Y[::-1].copy()), device="cpu")
    assert other.run.name == "cnn-2"
    shutil.rmtree(home.parent / "cache")
    again = json.loads(Path("runs/cnn-1/entry.json").read_text(encoding="utf-8"))["data"]["fingerprint"]
    with pytest.raises(
        DataError, match=rf"those of the fingerprint {again[:12]} are not in the cache; give the same arrays"
    ):
        zoo.train("cnn", *words, "data.kind=arrays", f"data.fingerprint={again}", device="cpu")
    done = zoo.train("cnn", *words, data=(X / 255, Y.tolist()), device="cpu")
    assert done.run.name == "cnn-1" and done.weights_sha256 == whole.weights_sha256


def test_floats_may_lie_outside_by_a_rounding_error() -> None:
    off = np.array([-1e-7, 0, 0.5, 1.0000001], np.float32)
    assert as_array(off).tolist() == [0, 0, 0.5, 1]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ((X, Y[:5]), r"there are 120 pictures, and labels of shape \(5,\)"),
        ((X, np.eye(10)[Y]), r"labels of shape \(120, 10\); give one label for each picture, e.g. y.argmax"),
        ((X, Y / 3), "labels of the type float64 are neither"),
        ((X * 2.0, Y), "floats of up to 510, not 1; divide them by 255"),
        ((X / 255 - 1, Y), "negative values"),
        ((X[0], Y), "the pictures have the shape"),
        ((np.zeros((120, 5, 7, 9), np.uint8), Y), "neither its first nor its last dimension"),
        (([X[0], X[1][:3]], [0, 1]), "the pictures are no array"),
        ((X, Y, Y, Y), "the train data are no pair"),
        ((X, Y, Y), "a text of a picture is of the type int64"),
        ({"test": (X, Y)}, "no split 'train'"),
        ({"trian": (X, Y)}, "'trian' is no split"),
        ((X[:0], Y[:0]), "the pictures have the shape"),
        ((X, np.array(["", "b"])[Y % 2]), "a class has an empty name; give each class a name"),
    ],
)
def test_what_is_no_data_is_said_in_one_line(data: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        zoo.train("cnn", *TINY, data=data)


def test_show_takes_arrays_too() -> None:
    assert zoo.show("cnn", data=(COLOUR, Y)).shape == (3, 8, 8)
