"""Intervals, reliability, areas below curves and thresholds of a classifier's evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from zoo_metrics.resampling import wilson_interval

import zoo
from zoo.cli import main
from zoo.cli.views.ranking import draw_curves
from zoo.data.dataset import Pictures
from zoo.evaluation.classified import ClassifiedSplit
from zoo.evaluation.ranking import Curve, class_curves, confidence_curve, ranking, thresholds

Capture = pytest.CaptureFixture[str]


def predictions(run: Path) -> tuple[zoo.Evaluation, ClassifiedSplit]:
    """The evaluation of a run, with the predictions."""
    found = zoo.evaluate(run, precision=0.9, device="cpu")
    assert not found.problems
    assert found.predictions is not None
    return found, found.predictions


def test_intervals_are_those_of_resampled_pictures(run: Path) -> None:
    found, split = predictions(run)
    labels, predicted = split.labels.numpy(), split.predicted.numpy()
    random = np.random.default_rng(7)
    rows = [random.integers(0, len(labels), len(labels)) for _ in range(1000)]
    accuracy = [(labels[some] == predicted[some]).mean() for some in rows]
    f1 = [f1_score(labels[some], predicted[some], average="macro", zero_division=0.0) for some in rows]
    ends = found.details["intervals"]
    assert ends["level"] == 0.95
    assert ends["accuracy"] == pytest.approx(np.quantile(accuracy, [0.025, 0.975]), abs=0.008)
    assert ends["macro_f1"] == pytest.approx(np.quantile(f1, [0.025, 0.975]), abs=0.008)
    assert ends["accuracy"][0] < found.metrics["accuracy"] < ends["accuracy"][1]
    assert zoo.evaluate(run, device="cpu").details["intervals"] == ends, "the draws have a seed"


@pytest.mark.parametrize("right", [0, 1, 17, 40])
def test_the_interval_of_a_share_is_that_of_scipy(right: int) -> None:
    """It has a width even if nothing is wrong."""
    expected = binomtest(right, 40).proportion_ci(0.9, method="wilson")
    low, high = wilson_interval(right, 40, 0.9)
    assert (low, high) == pytest.approx((expected.low, expected.high)) and high - low > 0.05


def test_areas_are_those_of_scikit_learn(run: Path) -> None:
    found, split = predictions(run)
    probabilities, labels = split.scores.double().exp().numpy(), split.labels.numpy()
    assert list(found.details["ranking"]) == list("0123456789")
    for label, row in enumerate(found.details["ranking"].values()):
        wanted, scores = labels == label, probabilities[:, label]
        assert row["roc_auc"] == pytest.approx(roc_auc_score(wanted, scores))
        assert row["average_precision"] == pytest.approx(average_precision_score(wanted, scores))


def test_equal_probabilities_are_above_a_threshold_together() -> None:
    curve = Curve.of(np.array([0.9, 0.5, 0.5, 0.5, 0.1]), np.array([True, True, False, True, False]))
    assert curve.thresholds.tolist() == [0.9, 0.5, 0.1]
    assert curve.precision.tolist() == [1, 0.75, 0.6]
    assert curve.recall.tolist() == [1 / 3, 1, 1]
    assert curve.threshold_for(0.75) == {"threshold": 0.5, "precision": 0.75, "recall": 1.0, "pictures": 4}
    assert curve.threshold_for(0.8) == {"threshold": 0.9, "precision": 1.0, "recall": 1 / 3, "pictures": 1}
    assert Curve.of(np.array([0.9, 0.8]), np.array([False, True])).threshold_for(0.6) is None
    assert Curve.of(np.array([0.9, 0.8]), np.array([False, False])).threshold_for(0.6) is None


def test_a_threshold_has_the_precision_and_the_one_below_has_not(run: Path) -> None:
    found, split = predictions(run)
    probabilities, labels = split.predictions.probabilities.double(), split.labels
    rows = found.details["thresholds"]
    assert rows["precision"] == 0.9 and list(rows["per_class"]) == list("0123456789")
    reached = [(label, row) for label, row in enumerate(rows["per_class"].values()) if row]
    assert reached
    for label, row in reached:
        mine = probabilities[:, label]
        chosen = mine >= row["threshold"]
        assert int(chosen.sum()) == row["pictures"]
        assert (labels[chosen] == label).double().mean().item() == pytest.approx(row["precision"]) and row[
            "precision"
        ] >= 0.9
        for lower in set(mine[~chosen].tolist()):
            assert (labels[mine >= lower] == label).double().mean() < 0.9
    whole = thresholds(split, found.metrics["accuracy"] - 1e-9)["any_class"]
    assert whole["pictures"] == len(split) and whole["threshold"] == probabilities.amax(1).min().item()
    assert confidence_curve(split).hits[-1] == pytest.approx(found.metrics["accuracy"] * len(split))


def test_the_bins_of_the_reliability_diagram_are_of_one_size(run: Path) -> None:
    found, split = predictions(run)
    rows = found.details["reliability"]
    sizes = [row["pictures"] for row in rows]
    assert len(rows) == 15 and sum(sizes) == 359 and max(sizes) - min(sizes) <= 1
    assert [row["confidence"] for row in rows] == sorted(row["confidence"] for row in rows)
    weights = np.array(sizes) / sum(sizes)
    assert weights @ [row["accuracy"] for row in rows] == pytest.approx(found.metrics["accuracy"])
    assert weights @ [row["confidence"] for row in rows] == pytest.approx(
        split.scores.double().exp().amax(1).mean().item()
    )


def printed(capsys: Capture, *words: str) -> str:
    """What the command prints."""
    assert main(["evaluate", "tiny-1", "--device", "cpu", *words]) == 0
    return capsys.readouterr().out


def test_the_screen_has_intervals_and_thresholds(run: Path, capsys: Capture) -> None:
    lines = printed(capsys, "--precision", "0.9").splitlines()
    ends = zoo.evaluate(run, device="cpu").details["intervals"]
    for name in ("accuracy", "macro_f1"):
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert f"{ends[name][0]:.4f} to {ends[name][1]:.4f}" in line
    place = lines.index("least probability for a precision of 0.9")
    assert lines[place + 1].split() == ["class", "threshold", "precision", "recall", "pictures"]
    assert [line.split()[0] for line in lines[place + 2 : place + 13]] == [*"0123456789", "any"]
    for name in ("reliability", "roc-pr"):
        with Image.open(run / "evaluation" / f"test-{name}.png") as image:
            assert image.format == "PNG"
    document = json.loads(printed(capsys, "--json"))
    assert "thresholds" not in document and document["intervals"] == ends


@pytest.mark.parametrize("precision", ["0", "1.5", "much"])
def test_a_precision_is_a_share(run: Path, capsys: Capture, precision: str) -> None:
    assert main(["evaluate", "tiny-1", "--precision", precision]) == 2
    assert "--precision" in capsys.readouterr().err


def test_a_generator_has_no_precision(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(zoo.ZooError, match="no precision of 2"):
        zoo.evaluate(run, precision=2)
    monkeypatch.setattr("zoo.evaluation.evaluate.Classifier", torch.nn.Conv2d)
    with pytest.raises(zoo.ZooError, match="not a classifier, so no class has a precision"):
        zoo.evaluate(run, precision=0.5, device="cpu")


def test_curves_name_every_class(tmp_path: Path) -> None:
    names = ("_other", "a very long name of a class " * 3, "$x$")
    pictures = Pictures.of(torch.zeros(6, 4, 4, dtype=torch.uint8), [0, 1, 2] * 2)
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    draw_curves(tmp_path / "curves.png", class_curves(ClassifiedSplit("test", names, pictures, scores)), "curves")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_a_class_without_pictures_has_no_area() -> None:
    scores = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]]).log()
    pictures = Pictures.of(torch.zeros(2, 4, 4, dtype=torch.uint8), [0, 1])
    split = ClassifiedSplit("test", ("a", "b", "c"), pictures, scores)
    rows: dict[str, Any] = ranking(class_curves(split))
    assert rows == {name: {"roc_auc": 1.0, "average_precision": 1.0} for name in "ab"}
    assert thresholds(split, 0.9)["per_class"]["c"] is None
