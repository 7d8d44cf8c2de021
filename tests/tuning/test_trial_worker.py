"""What goes wrong in a study is named as what it is, and does not end it; a study that goes on loses nothing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import torch
import toys
from optuna.trial import TrialState

import zoo
from zoo.cli import main
from zoo.core.errors import RunError
from zoo.tuning.study import FAILED_STATES, Study, Trial
from zoo.tuning.study_folder import open_study

Capture = pytest.CaptureFixture[str]
STUDY = Path("runs/toy-study")
BAD = ("diverge", "raise", "quit", "exit", "hang", "oom")
STATES = {"fine": "done", "diverge": "diverged", "raise": "failed", "quit": "failed", "exit": "crashed", "hang": "hung"}
STATES |= {"oom": "oom", "over": "refused", "invalid": "refused"}
REASONS = {
    "diverge": "is not finite in epoch 2",
    "raise": "RuntimeError: it is broken",
    "quit": "SystemExit",
    "exit": "died",
    "hang": "no step for 20 seconds",
    "oom": "out of memory",
    "over": "parameters exceed the budget of 5,000",
    "invalid": "it cannot be so",
}


@pytest.fixture(autouse=True)
def toy(install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin, and the folder in which it finds out what to do."""
    toys.place(install)
    monkeypatch.setenv("ZOO_TOY", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def tune(*words: str, code: int = 0) -> str:
    """What `zoo tune toy` says on stderr, in a process of its own."""
    command = [sys.executable, "-m", "zoo", "tune", "toy", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def optuna_trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """The trials as anybody reads them who has Optuna alone."""
    return optuna.load_study(storage=f"sqlite:///{folder / 'study.db'}", study_name="study").trials


def ways(study: Study) -> dict[str, list[Trial]]:
    """The trials by how they behave."""
    found: dict[str, list[Trial]] = {}
    for trial in study.trials:
        found.setdefault(trial.config.get("model.how", "fine"), []).append(trial)
    return found


@pytest.mark.slow
def test_each_failure_is_named_and_none_ends_the_study() -> None:
    every = ("fine", "over", "invalid", *BAD)
    seed = toys.seed_for(every, 12)
    tune(
        toys.how(*every),
        f"tune.seed={seed}",
        "tune.hang_timeout=20",
        "tune.attempts=2",
        "--trials=12",
        "--max-params=5k",
    )
    study = open_study(STUDY)
    assert study.ended == 12
    found = ways(study)
    assert set(found) == set(every)
    for way, trials in found.items():
        for trial in trials:
            assert (trial.state, trial.attempts) == (STATES[way], 2 if way in ("exit", "oom") else 1), trial
            assert REASONS.get(way, "") in trial.reason
            assert "\n" not in trial.reason
            check_folder(trial)
    assert study.best is not None
    assert study.best.state == "done"
    for each in optuna_trials(STUDY):
        assert each.state != TrialState.RUNNING
        assert all(map(math.isfinite, [*(each.values or []), *each.intermediate_values.values()]))


def check_folder(trial: Trial) -> None:
    """What a trial leaves behind says why it failed, and no figure of a failed one is kept."""
    if trial.state in FAILED_STATES or trial.state == "refused":
        assert (trial.loss, trial.objective, trial.metrics) == (None, None, {})
    assert ("misbehave" in (trial.run / "hung.txt").read_text()) if trial.state == "hung" else True
    assert ("misbehave" in (trial.run / "error.txt").read_text()) if trial.state == "failed" else True


@pytest.mark.slow
def test_a_study_all_of_whose_trials_fail_says_why(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (toys.how("raise", "no-build"), "--trials=5", "tune.seed=1")
    ends = tune(*words, code=1)
    assert "none of the 5 trials" in ends
    study = open_study(STUDY)
    assert study.counts == {"failed": 5}
    assert study.best is None
    assert {trial.reason.partition(";")[0] for trial in study.trials} == {
        "RuntimeError: it is broken",
        "plugin toy (zoo-toy 1.0) cannot build 'toy': KeyError: 'oh'",
    }
    monkeypatch.setenv("RAY_ADDRESS", "nobody:1")  # nothing starts Ray, or else it fails
    assert main(["tune", "toy", *words]) == 1
    assert "none of the 5 trials" in capsys.readouterr().err


@pytest.mark.slow
def test_a_plugin_that_ends_the_process_while_it_builds_ends_no_study() -> None:
    tune("model.how=exit-build", "--trials=2", "tune.attempts=2", "--max-params=1M", code=1)
    trials = open_study(STUDY).trials
    assert [(trial.state, trial.attempts) for trial in trials] == [("crashed", 2)] * 2


@pytest.mark.slow
@pytest.mark.parametrize("how", ["disk", "log"])
def test_a_full_disk_stops_the_study_which_goes_on_when_there_is_space(toy: Path, how: str) -> None:
    (toy / "full").touch()
    assert "No space left on device" in tune(f"model.how={how}", "--trials=2", "--parallel=1", code=7)
    study = open_study(STUDY)
    assert (study.counts, study.trials[0].attempts) == ({"waiting": 1}, 1)
    (toy / "full").unlink()
    run = study.trials[0].run
    if how == "disk":  # a damaged run is begun anew
        (run / "run.json").write_bytes((run / "run.json").read_bytes()[:-7])
    assert "1 resume from checkpoints" in tune(f"model.how={how}", "--trials=2", "--parallel=1")
    assert open_study(STUDY).counts == {"done": 2}
    assert [row["epoch"] for row in zoo.load(run).log()] == [1, 2, 3]


@pytest.mark.slow
def test_a_study_goes_on_grows_and_stays_what_it_was(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    words = ["tune", "toy", "model.how=fine", "model.mark=0.5"]
    tune(*words[2:], "--trials=2")
    losses = [trial.loss for trial in open_study(STUDY).trials]
    monkeypatch.setenv("RAY_ADDRESS", "nobody:1")  # nothing starts Ray, or else it fails
    assert main([*words, "--trials=2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["completed"] == 2
    assert main([*words, "train.epochs=2", "--trials=2"]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in ("train.epochs: 3 -> 2", "--fresh", "--name"))
    monkeypatch.delenv("RAY_ADDRESS")
    tune(*words[2:], "--trials=4")
    study = open_study(STUDY)
    assert (study.ended, [trial.loss for trial in study.trials][:2]) == (4, losses)
    tune(*words[2:], "--trials=1", "--fresh")
    assert [trial.loss for trial in open_study(Path("runs/toy-study-2")).trials] == losses[:1]
    whole = (STUDY / "study.db").read_bytes()
    for cut in (0, 100, 5000, len(whole) - 5000):
        (STUDY / "study.db").write_bytes(whole[:cut])
        assert main([*words, "--trials=9", "--name=toy-study"]) == 5
        error = capsys.readouterr().err
        assert "study.db is " in error
        assert error.count("\n") == 1
        with pytest.raises(RunError, match=r"study\.db is "):
            open_study(STUDY)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_asked_for_in_vain(capsys: Capture) -> None:
    assert main(["tune", "toy", "--device", "cuda", "--trials=2"]) == 2
    assert "finds no cuda device on this machine; use --device auto" in capsys.readouterr().err
    assert not STUDY.exists()


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_where_nobody_listens_is_told_at_once(capsys: Capture, address: str) -> None:
    assert main(["tune", "toy", "--trials=2", "--address", address]) == 7
    assert f"error: no Ray cluster answers at {address}: " in capsys.readouterr().err


def test_nothing_is_left_of_a_study_whose_pictures_cannot_be_read(capsys: Capture) -> None:
    assert main(["tune", "toy", "--data", "nowhere/", "--trials=2"]) == 3
    assert "nowhere" in capsys.readouterr().err
    assert not STUDY.exists()


@pytest.mark.slow
def test_a_budget_below_the_smallest_model_is_refused_at_once(capsys: Capture) -> None:
    smallest = 64 * 4 + 4 + 4 * 10 + 10
    assert main(["tune", "toy", "model.how=fine", "--max-params=100"]) == 2
    said = capsys.readouterr().err
    assert f"the smallest toy in the search space has {smallest} parameters" in said
    assert not STUDY.exists()
