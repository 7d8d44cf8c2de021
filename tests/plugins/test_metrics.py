"""Metrics of classifiers against figures worked out by hand and against scikit-learn."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from sklearn.metrics import classification_report
from zoo_metrics.classifiers import calibration_error, confusion, per_class, top_accuracy


def scores_of(predicted: list[int], classes: int, confidence: float = 0.9) -> torch.Tensor:
    rest = (1 - confidence) / (classes - 1)
    rows = torch.full((len(predicted), classes), rest, dtype=torch.float64)
    rows[range(len(predicted)), predicted] = confidence
    return rows.log().float()


def test_per_class_figures_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    found = per_class(scores_of([0, 0, 1, 1, 0, 0], 4), labels, ("a", "b", "c", "d"))
    rows = found["per_class"]
    assert rows["a"] == pytest.approx(
        {"accuracy": 2 / 3, "precision": 0.5, "recall": 2 / 3, "f1": 4 / 7, "pictures": 3}
    )
    assert rows["b"] == {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "pictures": 2}
    assert rows["c"] == {"accuracy": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "pictures": 1}
    assert rows["d"]["pictures"] == 0
    assert found["macro_f1"] == pytest.approx((4 / 7 + 0.5 + 0) / 3)


def test_per_class_figures_agree_with_the_library() -> None:
    torch.manual_seed(0)
    scores, labels = torch.randn(500, 7).log_softmax(1), torch.randint(7, (500,))
    found = per_class(scores, labels, tuple("abcdefg"))
    report = classification_report(labels, scores.argmax(1), target_names=list("abcdefg"), output_dict=True)
    assert found["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"])
    for name in "abcdefg":
        assert found["per_class"][name]["f1"] == pytest.approx(report[name]["f1-score"])


def test_confusion_has_true_classes_in_rows() -> None:
    found = confusion(scores_of([1, 1, 0], 3), torch.tensor([0, 1, 0]), ("a", "b", "c"))
    assert found == {"confusion": [[1, 1, 0], [0, 1, 0], [0, 0, 0]]}


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    labels = torch.tensor([0] * 8 + [1] * 2)
    assert calibration_error(scores_of([0] * 10, 2, 0.8), labels, 15) == pytest.approx(
        {"calibration_error": 0.0}, abs=1e-6
    )
    assert calibration_error(scores_of([0] * 10, 2, 0.95), labels, 15)["calibration_error"] == pytest.approx(
        0.15, abs=1e-6
    )
    sure, unsure = scores_of([0] * 4, 2, 1.0 - 1e-9), scores_of([0] * 4, 2, 0.6)
    mixed = calibration_error(torch.cat([sure, unsure]), torch.tensor([0, 0, 1, 1] * 2), 15)
    assert mixed["calibration_error"] == pytest.approx((0.5 + 0.1) / 2, abs=1e-6)


def test_bins_are_closed_above() -> None:
    # 0.5 and 0.52 share the second half only if a bin took its lower end: then their gaps would cancel.
    scores = torch.tensor([[0.5, 0.5], [0.52, 0.48]], dtype=torch.float64).log()
    found = calibration_error(scores, torch.tensor([0, 1]), 2)
    assert found["calibration_error"] == pytest.approx((0.5 + 0.52) / 2)


def test_top_five_only_where_there_are_more_classes() -> None:
    scores = torch.arange(6, 0, -1).float().expand(3, 6).log_softmax(1)
    assert top_accuracy(scores, torch.tensor([0, 4, 5]), 5) == pytest.approx({"top5_accuracy": 2 / 3})
    assert top_accuracy(scores[:, :5], torch.tensor([0, 4, 3]), 5) is None


def test_metrics_do_not_apply_to_a_model_without_scores() -> None:
    from zoo_metrics import zoo_metrics

    from zoo.registry.kinds import Outputs

    nothing = Outputs(None, None, None, {}, None)  # type: ignore[arg-type]
    kinds = list(zoo_metrics())
    assert {kind.name for kind in kinds} >= {
        "per-class",
        "confusion",
        "calibration",
        "top5",
        "codes",
        "iwae",
        "frechet",
    }
    assert {kind.name for kind in kinds if kind.compute(kind.spec(), nothing) is not None} == set()


def test_the_hook_module_imports_no_torch() -> None:
    code = "import sys, zoo_metrics; sys.exit(bool({'torch', 'sklearn', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_confusion_of_many_classes_lists_mistakes_only() -> None:
    names = tuple(map(str, range(2000)))
    labels = torch.arange(2000)
    scores = torch.full((2000, 2000), -9.0).scatter(1, labels[:, None], 0.0)
    scores[5], scores[7] = scores[6], scores[6]
    labels[7] = 5
    found = confusion(scores, labels, names)
    assert found == {"confusions": [[5, 6, 2]]}
