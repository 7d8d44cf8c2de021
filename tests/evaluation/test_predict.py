"""Prediction brings pictures to the run's shape as its data kind does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.core.errors import ZooError
from zoo.data.dataset import Pictures
from zoo.models.base import Classifier, Model
from zoo.runs.apply import class_scores
from zoo.runs.run import Run

pytestmark = pytest.mark.usefixtures("home")


def make_set(root: Path) -> None:
    """Two classes that a tiny network learns at once: bright above, bright on the left; not square."""
    rng = np.random.default_rng(0)
    for number in range(40):
        for name, (rows, columns) in {"above": (12, 48), "left": (24, 24)}.items():
            pixels = rng.integers(0, 60, (24, 48, 3), dtype=np.uint8)
            pixels[:rows, :columns] += 150
            path = root / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def test_a_picture_gets_the_same_scores_as_in_training_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(home / "pets")
    words = ["data.kind=folder", "data.path=pets", "data.size=12", "data.fit=squash", "data.valid=0", "data.test=0.5"]
    tiny = ["model.blocks=2", "model.first=4", "model.last=8", "train.epochs=6", "train.batch=10", "train.lr=0.02"]
    done = zoo.train("cnn", *words, *tiny, device="cpu")
    seen: list[torch.Tensor] = []

    def scores_of(model: Classifier, pictures: Pictures, *rest: Any) -> torch.Tensor:
        seen.append(pictures.x)
        return class_scores(model, pictures, *rest)

    monkeypatch.setattr("zoo.evaluation.predict.class_scores", scores_of)
    found = zoo.predict(done.run, ["pets"], "cpu")
    assert not found.skipped
    assert len(found.predictions) == 80
    right = [Path(row.path).parent.name == row.label for row in found.predictions]
    assert np.mean(right) > 0.9
    run = zoo.load(done.run)
    loaded = run.entry.data.kind.load(run.entry.data.spec)
    assert torch.equal(torch.cat(seen), loaded.train.x)
    with torch.inference_mode():
        scores = run.model()(loaded.train.x.float() / 255).softmax(1).max(1).values
    assert np.allclose([row.probability for row in found.predictions], scores.numpy(), atol=0.02)


def test_colour_and_size_are_brought_to_the_shape_of_the_run(run: Path) -> None:
    grey = Image.fromarray((np.arange(64, dtype=np.uint8) * 4).reshape(8, 8))
    grey.save("small.png")
    grey.convert("RGB").resize((32, 32), Image.Resampling.NEAREST).save("large.png")
    small, large = zoo.predict(run, ["small.png", "large.png"], "cpu").predictions
    assert small.label == large.label
    assert small.probability == pytest.approx(large.probability, abs=0.01)


def test_a_model_that_is_no_classifier_has_nothing_to_predict(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "model", lambda self, device: Model())
    with pytest.raises(ZooError, match="not a classifier"):
        zoo.predict(run, ["a.png"], "cpu")


def test_a_picture_of_several_frames_and_one_turned_on_its_side(run: Path) -> None:
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:])
    frames[0].save("black.png")
    turned = Image.fromarray(np.triu(np.full((8, 8), 255, np.uint8)))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save("turned.png", exif=exif)
    turned.transpose(Image.Transpose.ROTATE_270).save("upright.png")
    film, black, side, upright = zoo.predict(run, ["film.gif", "black.png", "turned.png", "upright.png"]).predictions
    assert film.probability == black.probability
    assert side.probability == upright.probability
