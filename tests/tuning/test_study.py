"""A study whose best trial was removed: the next best takes its place, and that is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from studies import REASONS, study

from zoo.cli import main
from zoo.runs.find import find_run
from zoo.tuning.study_folder import open_study, write_best
from zoo.tuning.tune import AllFailedError

GOLDEN = Path(__file__).parents[1] / "golden" / "runs" / "study"
STUDY = Path("runs/cnn-study")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def golden(home: Path) -> Path:
    """A copy of a study whose trial 0 is the best of two."""
    shutil.copytree(GOLDEN, STUDY)
    return STUDY


@pytest.mark.parametrize("renewed", [True, False], ids=["with-next", "of-an-older-zoo"])
def test_the_next_best_is_found_and_said(
    renewed: bool, golden: Path, capsys: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    if renewed:
        write_best(open_study(golden))
        assert json.loads((golden / "best.json").read_text(encoding="utf-8")) == {
            "run": "trials/t00000",
            "next": ["trials/t00001"],
        }
    assert find_run("cnn-study").name == "t00000"
    assert not caplog.messages
    shutil.rmtree(golden / "trials" / "t00000")
    assert find_run("cnn-study").name == "t00001"
    (said,) = caplog.messages
    assert "removed" in said and "t00001" in said
    assert main(["studies", "--json"]) == 0
    (study,) = json.loads(capsys.readouterr().out)["studies"]
    assert study["best"]["number"] == 1
    assert main(["studies"]) == 0
    out, err = capsys.readouterr()
    assert str(Path("trials/t00001")) in out
    assert "the best trial of cnn-study, t00000, was removed; the next best is t00001" in err
    caplog.clear()
    assert find_run(str(golden / "trials" / "t00001")).name == "t00001"
    assert not caplog.messages, "it was named itself"


@pytest.mark.parametrize("objective", ["loss", "efficiency", "pareto", "fewest-parameters", "accuracy"])
def test_no_objective_chooses_a_removed_trial(objective: str, golden: Path) -> None:
    study = open_study(golden)
    bound = 10.0 if objective == "fewest-parameters" else None
    study = replace(study, spec=study.spec.model_copy(update={"objective": objective, "bound": bound}))
    best = study.best
    assert best is not None and not study.removed_note
    shutil.rmtree(best.run)
    assert study.best is not None and study.best.number == 1 - best.number
    assert study.removed_note
    shutil.rmtree(study.best.run)
    assert study.best == best, "without any run the record remains"


def test_a_study_without_a_result_says_why_in_its_error() -> None:
    one = AllFailedError(study("failed", "failed"))
    assert str(one).startswith("none of the 2 trials of")
    assert str(one).endswith(f"finished; error in 2, first in t00000: {REASONS['failed']}")
    several = AllFailedError(study("oom", "diverged", "failed", "diverged"))
    assert several.hint == f"diverged in 2, first in t00001: {REASONS['diverged']} (and 2 other causes)"
