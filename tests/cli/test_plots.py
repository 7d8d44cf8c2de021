"""Plots of studies of all sizes and objectives, and what is told where they cannot be drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studies import Engine, study

from zoo.cli import main
from zoo.cli.views.plots import draw_plots
from zoo.display.limits import Limits
from zoo.tuning.study import Study

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A made-up engine."""
    return Engine(monkeypatch)


@pytest.mark.parametrize(
    ("objective", "count"),
    [
        *(("loss", count) for count in (0, 1, 5, 60)),
        *(("pareto", count) for count in (0, 1, 60)),
        *(("accuracy", 5), ("efficiency", 5), ("fewest-parameters", 60)),
    ],
)
def test_plots(home: Path, objective: str, count: int) -> None:
    states = ("done", "pruned", "done", "diverged", "done", "refused")
    bound: dict[str, Any] = {"bound": 0.1} if objective == "fewest-parameters" else {}
    found = study(*(states * 10)[:count], path=str(home / "s"), objective=objective, **bound)
    if count == 60:
        found.trials[8] = replace(found.trials[8], loss=1e30, objective=1e30)
    kept = optuna_study(found)
    files = draw_plots(found)
    assert [path.stem for path in files] == ["history", "parameters", "importance"][: {0: 0, 60: 3}.get(count, 2)]
    for path in files:
        with Image.open(path) as image:
            assert (image.format, image.width) == ("PNG", 864)
    assert kept == count


def optuna_study(found: Study) -> int:
    """Write the trials that are done as the engine would; returns how many trials the study has."""
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from zoo.tuning import storage

    found.path.mkdir(parents=True)
    kept = storage.connect(found.path, found.spec)
    space = {
        "model.first": IntDistribution(32, 48, step=2),
        "train.lr": FloatDistribution(1e-4, 1e-2, log=True),
        "model.norm": CategoricalDistribution(["before", "after"]),
    }
    for each in found.trials:
        if each.state == "done":
            values: Any = [each.loss, each.parameters] if found.spec.objective == "pareto" else [each.objective]
            done = optuna.trial.create_trial(params=each.config, distributions=space, values=values)
            kept.add_trial(done)
    return len(found.trials)


def test_a_few_values_far_off_do_not_stretch_an_axis() -> None:
    usual = [0.05 + 0.001 * step for step in range(40)]
    assert Limits.of([*usual, 1e9, 1e12]) == Limits.of(usual)
    assert Limits.of([0.001, 0.01, 0.1]).log
    assert not Limits.of([-1.0, 0.0, 2.0]).log
    alone = Limits.of([0.0])
    assert alone.low < 0 < alone.high


def test_plots_that_cannot_be_drawn_are_a_note(fake: Engine, home: Path, capsys: Capture) -> None:
    fake(study("done", "done", "done", "done"))  # there is no study.db
    assert main(["tune", "cnn"]) == 0
    assert "could not draw the plots: " in capsys.readouterr().err
    (home / "runs" / "other").mkdir(parents=True)
    (home / "runs" / "other" / "plots").touch()
    fake(study("done", path="runs/other"))
    assert main(["tune", "cnn"]) == 0
    assert "could not draw the plots: cannot save " in capsys.readouterr().err
