"""The trackers: what they make of events, and what the real libraries then have, where they are installed."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from zoo_trackers.tracker import RunInfo, Tracker

from tests.conftest import TINY
from zoo.cli import main
from zoo.registry import EvaluationEnded
from zoo.runs.metrics_log import read_rows
from zoo.runs.run import Run
from zoo.testing import callbacks

Capture = pytest.CaptureFixture[str]
TRAIN = ["train", "cnn", *TINY, "--device", "cpu", "--out", "mine"]


class Memory(Tracker):
    """Keep runs in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.done: dict[str, dict[str, Any]] = {}

    def open(self, info: RunInfo) -> Any:
        return self.done.setdefault(info.id, {"info": info, "logged": {}, "states": []})

    def log(self, handle: Any, figures: dict[str, float], step: int) -> None:
        handle["logged"].setdefault(step, {}).update(figures)

    def finish(self, handle: Any, state: str) -> None:
        handle["states"].append(state)


def test_events_become_runs_with_finite_figures(tmp_path: Path) -> None:
    memory = Memory()
    for event in callbacks.examples(tmp_path):
        memory.event(event)
    run, trial = memory.done.values()
    assert (run["info"].name, run["info"].group, trial["info"].group) == ("cnn-1", "", "cnn-study")
    assert run["info"].config == {"model.kind": "cnn", "model.width": 8, "train.epochs": 1}
    first = {"train/loss": 0.5, "valid/accuracy": 0.9, "lr": 0.01}
    assert run["logged"][1] == first | {"kept/loss": 0.4, "seconds": 2.5}
    assert run["logged"][0] == {"test/accuracy": 0.9}
    assert run["states"] == ["done", "done", "diverged"]
    assert trial["logged"] == {
        1: {},
        0: {"kept/loss": 0.5, "kept/objective": 0.5, "seconds": 3.0, "parameters": 1000},
    }
    assert trial["states"] == ["done"]


def test_an_ensemble_is_a_run_of_its_own() -> None:
    memory = Memory()
    for others in ("cnn-2", "cnn-3"):
        run = Path(f"runs/cnn-1+runs/{others}")
        memory.event(EvaluationEnded(run, "", "cnn+cnn", "test", 100, {"accuracy": 0.9}))
    one, other = memory.done.values()
    assert (one["info"].name, other["info"].name) == ("cnn-1+cnn-2", "cnn-1+cnn-3")
    assert all(len(each["info"].id) == 16 for each in (one, other))


def test_runs_that_are_open_at_the_end_are_closed(tmp_path: Path) -> None:
    memory = Memory()
    memory.event(callbacks.examples(tmp_path)[0])
    memory.close()
    assert [run["states"] for run in memory.done.values()] == [["interrupted"]]


def test_all_runs_are_closed_though_one_cannot_be(tmp_path: Path) -> None:
    class Broken(Memory):
        def finish(self, handle: Any, state: str) -> None:
            super().finish(handle, state)
            raise OSError(f"no connection for {handle['info'].name}")

    broken = Broken()
    examples = callbacks.examples(tmp_path)
    broken.event(examples[0])
    broken.event(examples[6])
    with pytest.raises(OSError, match="no connection for cnn-1"):
        broken.close()
    assert [run["states"] for run in broken.done.values()] == [["interrupted"]] * 2
    broken.close()


def test_an_evaluation_is_in_the_group_of_its_run(tmp_path: Path) -> None:
    memory = Memory()
    memory.event(EvaluationEnded(tmp_path, "0123456789abcdef", "cnn", "test", 100, {"accuracy": 0.9}, "norms"))
    assert [run["info"].group for run in memory.done.values()] == ["norms"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "extra"), [("tensorboard", "tb"), *((name, name) for name in ("mlflow", "wandb", "trackio"))]
)
def test_without_its_library_a_tracker_names_the_extra(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert main([*TRAIN, "--track", name]) == 4
    err = capsys.readouterr().err
    assert f"--track {name} needs {name}" in err
    assert f"pip install 'pixel-zoo[{extra}]'" in err
    assert not Path("mine").exists()


def tracked(trained: Path, track: str) -> list[dict[str, Any]]:
    """Train and evaluate with a tracker; the numbers are those without, and the epochs are returned."""
    assert main([*TRAIN, "--track", track]) == 0
    assert Run.open(Path("mine")).record["weights_sha256"] == Run.open(trained).record["weights_sha256"]
    assert main(["evaluate", "mine", "--device", "cpu", "--track", track]) == 0
    return read_rows(Path("mine/metrics.jsonl"))


def accuracy() -> float:
    """The accuracy that was evaluated."""
    return float(json.loads(Path("mine/evaluation/test.json").read_text(encoding="utf-8"))["metrics"]["accuracy"])


@pytest.mark.usefixtures("home")
def test_tensorboard_has_the_figures_of_all_runs_in_one_folder(trained: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = tracked(trained, "tensorboard dir=board")
    (folder,) = Path("board").iterdir()
    found = EventAccumulator(str(folder)).Reload()
    losses = [event.value for event in found.Scalars("valid/loss")]
    assert losses == pytest.approx([row["valid"]["loss"] for row in rows])
    assert [event.value for event in found.Scalars("test/accuracy")] == pytest.approx([accuracy()])


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_mlflow_has_one_run_with_options_epochs_and_the_evaluation(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///tracked.db")
    rows = tracked(trained, "mlflow experiment=digits")
    assert "left out" not in capsys.readouterr().err
    client = mlflow.MlflowClient("sqlite:///tracked.db")
    (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert (run.info.status, run.info.run_name, run.data.tags["zoo.state"]) == ("FINISHED", "mine", "done")
    assert (run.data.params["model.first"], run.data.params["data.limit"]) == ("4", "200")
    history = sorted(client.get_metric_history(run.info.run_id, "valid/loss"), key=lambda each: each.step)
    assert [(each.step, each.value) for each in history] == [
        (number, row["valid"]["loss"]) for number, row in enumerate(rows, 1)
    ]
    assert run.data.metrics["test/accuracy"] == accuracy()


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_wandb_writes_offline_files_without_an_account(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    tracked(trained, "wandb project=digits")
    err = capsys.readouterr().err
    assert "left out" not in err
    files = sorted(Path("wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    assert len({path.stem for path in files}) == 1, "the evaluation goes on with the run of the training"
    assert b"valid/loss" in files[0].read_bytes()


@pytest.mark.usefixtures("home")
def test_wandb_online_without_a_key_is_refused_and_asks_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert main([*TRAIN, "--track", "wandb mode=online"]) == 4
    assert "set WANDB_API_KEY" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_trackio_has_the_epochs(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    trackio = pytest.importorskip("trackio")
    for module in ("trackio", "trackio.utils", "trackio.sqlite_storage"):
        if hasattr(sys.modules.get(module), "TRACKIO_DIR"):
            monkeypatch.setattr(f"{module}.TRACKIO_DIR", tmp_path / "trackio")
    rows = tracked(trained, "trackio project=digits")
    assert "left out" not in capsys.readouterr().err
    assert trackio
    (database,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(database) as found:
        logged = [json.loads(text) for (text,) in found.execute("select metrics from metrics order by step, id")]
    losses = [row["valid/loss"] for row in logged if "valid/loss" in row]
    assert losses == pytest.approx([row["valid"]["loss"] for row in rows])
