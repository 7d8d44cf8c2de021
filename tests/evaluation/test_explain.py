"""`zoo explain` draws where a classifier sees its most probable classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.evaluation.explain import blend

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pictures(run: Path) -> Path:
    """A folder of two pictures."""
    folder = Path("some")
    folder.mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (2, 8, 8), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_the_page_stands_in_the_run_folder(run: Path, pictures: Path, capsys: Capture) -> None:
    assert main(["explain", "tiny-1", "some", "test:3", "--top", "3", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["grid"]) == run / "explanations" / "0001.png" and not found["skipped"]
    rows = found["explanations"]
    assert [Path(row["path"]).name for row in rows] == ["0.png", "1.png", "test:3"]
    expected = zoo.load(run)(pictures, "cpu").top(3)
    for row, best in zip(rows, expected, strict=False):
        assert [each["label"] for each in row["classes"]] == [each.label for each in best]
        assert [each["probability"] for each in row["classes"]] == pytest.approx(
            [each.probability for each in best], abs=1e-4
        )
    with Image.open(found["grid"]) as page:
        assert page.mode == "RGB" and page.width > 4 * 112
    assert main(["explain", "tiny-1", "some/0.png", "-o", "why.png", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["picture", "class", "probability"] and len(out.splitlines()) == 3
    assert "wrote why.png" in err and Path("why.png").is_file()


def test_in_python_the_heat_is_there(run: Path, pictures: Path) -> None:
    found = zoo.explain(run, [pictures], top=1, device="cpu")
    assert repr(found) == f"<Explanation of 2 pictures by {run}>"
    assert found.heat.shape == (2, 1, 8, 8) and found.heat.amax((2, 3)).tolist() == [[1], [1]]
    assert found.pictures.shape == (2, 1, 8, 8)
    assert zoo.explain(run, [pictures], top=50, device="cpu").heat.shape[1] == 10


def test_the_probabilities_are_those_of_a_prediction_in_the_same_precision(
    run: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for precision in ("float32", "bfloat16"):
        monkeypatch.setattr("zoo.models.device.best_precision", lambda device, name=precision: name)
        found[precision] = zoo.explain(run, [pictures], device="cpu").predictions.probabilities
        assert (found[precision] - zoo.load(run)(pictures, "cpu").probabilities).abs().max() < 1e-6
    assert (found["float32"] - found["bfloat16"]).abs().max() > 1e-5


def test_heat_is_bright_and_cold_is_dark() -> None:
    picture = np.full((2, 2, 1), 100, np.uint8)
    found = blend(picture, torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
    assert found.shape == (2, 2, 3) and found.dtype == np.uint8
    assert found[0, 0].sum() > found[1, 1].sum() > found[0, 1].sum()
    assert found[0, 1].tolist() == pytest.approx([40] * 3, abs=3)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["none.png"], 3, "none of the pictures could be read"),
        (["some", "--out", "a.jpg"], 2, "must end in .png"),
        ([], 2, "PICTURE"),
    ],
)
def test_what_cannot_be_explained(
    run: Path, pictures: Path, capsys: Capture, words: list[str], code: int, text: str
) -> None:
    assert main(["explain", "tiny-1", *words]) == code
    assert text in capsys.readouterr().err


def test_pages_are_bounded_and_generators_refused(run: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.evaluation.explain.MAX_PICTURES", 1)
    with pytest.raises(ZooError, match="2 pictures are too many"):
        zoo.explain(run, [pictures], device="cpu")
    with pytest.raises(ZooError, match="no pictures to explain"):
        zoo.explain(run, [], device="cpu")
    monkeypatch.setattr("zoo.evaluation.explain.Classifier", torch.nn.Conv2d)
    with pytest.raises(ZooError, match="not a classifier, so it has no classes to explain"):
        zoo.explain(run, [pictures], device="cpu")
