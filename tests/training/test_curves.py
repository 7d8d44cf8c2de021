"""A run has a picture of its curves when it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.cli.views.progress import sparkline
from zoo.training.curves import draw, panels_of, try_curves, write_curves


def row(stage: str, train: dict[str, Any], valid: dict[str, Any], lr: float = 0.1) -> dict[str, Any]:
    """One line of a metrics log."""
    return {"stage": stage, "epoch": 1, "train": train, "valid": valid, "lr": lr}


def test_a_run_that_is_done_has_its_curves(run: Path) -> None:
    with Image.open(run / "curves.png") as image:
        assert image.format == "PNG" and image.width > 2 * image.height


def test_training_from_the_command_line_leaves_the_weights_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cnn", *TINY, "--out", "again", "--device", "cpu", "--json"]) == 0
    assert Path("again/curves.png").is_file()
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == zoo.load(run).record["weights_sha256"]


def test_the_panels_have_what_the_log_has() -> None:
    rows = [
        row("codec", {"rate": 3.0, "distortion": 9.0}, {"loss": 12.0, "rate": 3.5}),
        row("prior", {"loss": 2.0}, {"loss": None, "accuracy": 0.5}, 0.2),
    ]
    panels = panels_of(rows)
    assert list(panels) == ["loss", "accuracy", "learning rate"]
    assert list(panels["loss"]) == [
        "validation loss",
        "validation rate",
        *(f"training {n}" for n in ("loss", "rate", "distortion")),
    ]
    assert (
        panels["loss"]["validation loss"][0] == 12.0
        and panels["loss"]["validation loss"][1] != panels["loss"]["validation loss"][1]
    )
    assert panels["accuracy"]["validation accuracy"][1] == 0.5
    assert panels["learning rate"] == {"learning rate": [0.1, 0.2]}
    figure = draw(rows, "a run", 2)
    assert [axes.get_title() for axes in figure.axes] == list(panels)
    assert [text.get_text() for text in figure.axes[0].texts] == ["prior"]
    assert list(panels_of([row("model", {"loss": 2.0}, {})])) == ["loss", "learning rate"]


def test_only_what_has_ended_is_drawn(run: Path) -> None:
    notes: list[str] = []
    page = run / "curves.png"
    for state, drawn in (("running", False), ("interrupted", False), ("diverged", True), ("done", True)):
        page.unlink(missing_ok=True)
        zoo.load(run).update(state=state)
        try_curves(run, notes.append)
        assert page.exists() == drawn, state
    try_curves(Path("nothing"), notes.append)
    assert not notes


def test_a_picture_that_fails_does_not_cost_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []

    def fail(run: object) -> None:
        raise RuntimeError("no\nfonts")

    monkeypatch.setattr("zoo.training.curves.write_curves", fail)
    try_curves(run, notes.append)
    assert notes == [f"{run / 'curves.png'} could not be drawn: RuntimeError: no fonts"]


def test_a_run_without_an_epoch_has_no_curves(run: Path) -> None:
    (run / "metrics.jsonl").write_text("", encoding="utf-8")
    opened = zoo.load(run)
    opened.update(state="diverged")
    assert write_curves(opened) is None


def test_a_sparkline_goes_from_the_highest_to_the_lowest() -> None:
    assert sparkline([8, 4, 1, 1]) == "█▄▁▁"
    assert sparkline([2, 2]) == "▁▁" and sparkline([1]) == sparkline([]) == ""
    assert sparkline([float("nan"), 3, 1]) == " █▁" and sparkline([float("inf"), 3]) == ""
