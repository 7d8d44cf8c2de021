"""What `zoo evaluate` shows: the figures that matter, those of real pictures beside them, and the rest with --all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Install
from zoo.cli import main
from zoo.cli.console import Screen
from zoo.cli.views.evaluation import draw_confusion, show_class_figures, show_figures
from zoo.cli.views.ranking import draw_curves
from zoo.display.format import format_value
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.ranking import Curve

Capture = pytest.CaptureFixture[str]
FIGURES = {
    "loss": 6.5,
    "rate": 20.0,
    "iwae": 6.4,
    "frechet": 3.9,
    "frechet_reconstructions": 1.0,
    "frechet_floor": 2.7,
    "precision": 0.7,
    "precision_real": 0.8,
    "coverage": 0.9,
    "coverage_real": 0.95,
    "judge_right": 0.97,
    "judge_right_real": 0.99,
    "sharpness": 0.8,
    "psnr": 21.0,
}


def evaluation(**values: Any) -> Evaluation:
    return Evaluation(Path("runs/a-1"), "test", 10, ["0", "1"], **({"metrics": FIGURES} | values))


def lines(capsys: Capture, found: Evaluation, *, everything: bool = False) -> tuple[dict[str, list[str]], list[str]]:
    """The cells of each figure, and the notes."""
    notes = show_figures(Screen(plain=True), found, everything=everything)
    rows = [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in capsys.readouterr().out.splitlines()]
    return {row[0]: row[1:] for row in rows}, notes


def test_a_class_whose_name_is_in_another_encoding_is_drawn(tmp_path: Path) -> None:
    names = ["owl", b"caf\xe9".decode("utf-8", "surrogateescape"), "a class with a very long name"]
    draw_confusion(tmp_path / "a.png", [[1, 0, 0], [0, 1, 0], [0, 1, 0]], names, f"run {names[1]}")
    curve = Curve.of(np.array([0.9, 0.2]), np.array([True, False]))
    draw_curves(tmp_path / "b.png", dict.fromkeys(names, curve), f"run {names[1]}")
    assert (tmp_path / "a.png").stat().st_size and (tmp_path / "b.png").stat().st_size


def test_five_figures_of_a_generator_stand_beside_those_of_real_pictures(capsys: Capture) -> None:
    shown, notes = lines(capsys, evaluation())
    assert shown == {
        "figure": ["value", "real pictures"],
        "frechet": ["3.9", "2.7", "lower is better"],
        "loss": ["6.5", "lower is better"],
        "judge_right": ["0.97", "0.99", "higher is better"],
        "coverage": ["0.9", "0.95", "higher is better"],
        "sharpness": ["0.8", "1"],
    }
    assert notes == ["5 more figures with --all"]
    shown, notes = lines(capsys, evaluation(), everything=True)
    assert shown.keys() == {"figure", *FIGURES} - {
        "frechet_floor",
        "precision_real",
        "coverage_real",
        "judge_right_real",
    }
    assert not notes


def test_undefined_and_large_figures(capsys: Capture) -> None:
    metrics = {"loss": 123_456_789.0, "edit_correlation": float("nan"), "rate": 9_999_999.9}
    shown, _ = lines(capsys, evaluation(metrics=metrics))
    assert shown["loss"] == ["1.235e+08", "lower is better"]
    assert shown["edit_correlation"] == ["-"]
    assert shown["rate"][0] == "1e+07"
    cases = {9_999_999.0: "9,999,999", 12_345_678: "12,345,678", -2e7: "-2e+07", float("inf"): "inf", None: "unknown"}
    assert {value: format_value(value) for value in cases} == cases


def test_a_class_without_pictures_has_no_recall(capsys: Capture) -> None:
    row = {"accuracy": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "pictures": 0}
    classes = {"a": row | {"pictures": 2, "recall": 1.0, "precision": 1.0, "f1": 1.0}, "b": row, "c": row}
    show_class_figures(Screen(plain=True), classes, [[2, 0, 0], [0, 0, 0], [0, 0, 0]], {})
    found = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert found["a"] == ["2", "1.0000", "1.0000", "1.0000"]
    assert found["b"] == found["c"] == ["0", "-", "-", "-"]


def test_classes_have_the_areas_below_their_curves_where_there_is_room(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "pictures": 2}
    areas = {"a": {"roc_auc": 0.75, "average_precision": 0.8}}
    for width, heads in (
        (1000, ["ROC", "AUC", "avg.", "precision"]),
        (67, ["ROC", "AUC", "avg.", "precision"]),
        (62, []),
    ):
        monkeypatch.setattr(Screen, "width", width)
        show_class_figures(Screen(plain=True), {"a": row, "b": row}, None, areas)
        top, first, second = capsys.readouterr().out.strip().splitlines()
        assert top.split() == ["class", "pictures", "precision", "recall", "f1", *heads]
        figures = ["2", *["0.5000"] * 3]
        assert first.split() == ["a", *figures, *(["0.7500", "0.8000"] if heads else [])]
        assert second.split() == ["b", *figures, *(["-", "-"] if heads else [])]


def test_evaluate_says_which_run_on_which_data(run: Path, capsys: Capture) -> None:
    assert main(["evaluate", "tiny"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [f"{run}: 359 test pictures", "entry cnn, trained on digits"]
    assert [line.split("  ")[0] for line in out.splitlines() if line.endswith(" is better")] == [
        "accuracy",
        "loss",
        "macro_f1",
        "top5_accuracy",
        "calibration_error",
    ]
    assert "more figure" not in err
    assert main(["evaluate", "tiny", "--data", "digits", "data.limit=200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["entry"], found["trained_on"], found["data"]) == ("cnn", "digits", "digits")


PLUGIN = """
from zoo import MetricKind, Spec, hookimpl

@hookimpl
def zoo_metrics():
    yield MetricKind("odd", Spec, lambda spec, found: {"oddness": 0.25})
"""


def test_a_metric_of_a_plugin_is_shown_where_it_is_asked_for(run: Path, install: Install, capsys: Capture) -> None:
    install("odd", PLUGIN, harmless=True)
    for words in ([], ["--all"]):
        assert main(["evaluate", "tiny", *words]) == 0
        out, err = capsys.readouterr()
        assert "oddness" not in out and "another plugin's metric with --metrics odd" in err
    assert main(["evaluate", "tiny", "--metrics", "odd,kid"]) == 0
    out, err = capsys.readouterr()
    assert "\noddness " in out and "another plugin" not in err
    assert main(["evaluate", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["oddness"] == 0.25
    assert main(["evaluate", "tiny", "--metrics", "od"]) == 2
    assert "no metric kind 'od'; did you mean 'odd'?" in capsys.readouterr().err


def test_the_repr_is_one_short_line() -> None:
    assert repr(evaluation()).replace("\\", "/") == (
        "<Evaluation of runs/a-1: 10 test pictures, loss 6.5, rate 20, iwae 6.4>"
    )
