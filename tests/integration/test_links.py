"""Links inside the folders of runs and studies: nothing outside is written, replaced or emptied."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.core.errors import ResourceError, RunError
from zoo.runs.choose_folder import open_or_clear
from zoo.runs.lock import lock_folder, wait_and_lock
from zoo.runs.metrics_log import MetricsLog
from zoo.training.checkpoint import StateFolder
from zoo.tuning import storage
from zoo.tuning.trial_worker import Watchdog

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture
def victim(home: Path) -> Path:
    """A folder of the user, with files whose names the zoo also uses."""
    folder = home / "victim"
    folder.mkdir()
    for name in ("important.txt", "run.json", "000001.safetensors", "test.json", "lock"):
        (folder / name).write_bytes(b"{}")
    (folder / "trials").mkdir()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_trial_that_is_a_link_is_not_opened_and_not_emptied(victim: Path) -> None:
    before, trial = content(victim), Path("t00001")
    trial.symlink_to(victim)
    with pytest.raises(ResourceError, match="t00001 is a symbolic link"), wait_and_lock(trial, lambda error: None):
        pass
    with pytest.raises(ResourceError, match="symbolic link"):
        open_or_clear(trial)
    assert content(victim) == before and trial.is_symlink()


def test_only_what_the_zoo_wrote_is_deleted_of_a_damaged_run(run: Path, victim: Path) -> None:
    assert (run / "curves.png").is_file()
    (run / "calibration.json").write_text("{}", encoding="utf-8")
    (run / "report.html").write_text("", encoding="utf-8")
    (run / "explanations").mkdir()
    (run / "run.json").write_text("{}", encoding="utf-8")
    (run / "important.txt").write_text("keep", encoding="utf-8")
    (run / "photos").mkdir()
    (run / "state").symlink_to(victim)
    (run / "hung.txt").symlink_to(victim / "important.txt")
    before = content(victim)
    assert open_or_clear(run) is None
    assert {path.name for path in run.iterdir()} - {"lock", "lock.json"} == {"important.txt", "photos", "state"}
    assert content(victim) == before


@pytest.mark.parametrize("what", ["save", "clear", "sweep"])
def test_a_state_folder_that_is_a_link_is_left_alone(what: str, victim: Path) -> None:
    before, path = content(victim), Path("state")
    path.symlink_to(victim)
    state = StateFolder(path, 0)
    calls: dict[str, Callable[[], object]] = {
        "save": lambda: state.save({"model": {}}, {}),
        "clear": state.clear,
        "sweep": lambda: state.sweep(set()),
    }
    with pytest.raises(ResourceError, match="state is a symbolic link"):
        calls[what]()
    assert content(victim) == before


def test_a_state_folder_keeps_what_the_zoo_did_not_make(home: Path) -> None:
    folder = home / "state"
    state = StateFolder(folder, 0)
    state.save({}, {})
    for name in ("mine.safetensors", "notes.txt", ".mine.tmp"):
        (folder / name).touch()
    state.clear()
    assert {path.name for path in folder.iterdir()} == {"mine.safetensors", "notes.txt", ".mine.tmp"}


def test_files_that_are_added_to_are_no_links(run: Path, victim: Path) -> None:
    before, target = content(victim), victim / "important.txt"
    for name in ("metrics.jsonl", "hung.txt", "lock"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)
    row = {"stage": "model", "epoch": 1, "train": {}, "valid": {}, "lr": 0.1}
    with pytest.raises(ResourceError, match="symbolic link"):
        MetricsLog(run).add(row)
    with pytest.raises(ResourceError, match="symbolic link"), Watchdog(run, 60):
        pass
    with pytest.raises(ResourceError, match="lock is a symbolic link"), lock_folder(run):
        pass
    assert content(victim) == before


def test_commands_write_through_no_folder_that_is_a_link(
    run: Path, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(victim)
    (run / "evaluation").symlink_to(victim)
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    assert "could not save the evaluation" in capsys.readouterr().err
    assert content(victim) == before


def test_a_study_whose_database_is_a_link_or_anothers_is_not_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "runs" / "cnn-study"
    folder.mkdir(parents=True)
    with sqlite3.connect(home / "mine.db") as file:
        file.execute("CREATE TABLE mine (a)")
    before = (home / "mine.db").read_bytes()
    shutil.copy(home / "mine.db", folder / "study.db")
    with pytest.raises(RunError, match="is damaged"):
        storage.load(folder)
    assert (folder / "study.db").read_bytes() == before
    (folder / "study.db").unlink()
    (folder / "study.db").symlink_to(home / "mine.db")
    with pytest.raises(ResourceError, match="symbolic link"):
        storage.connect(folder, zoo.core.sections.TuneSpec())
    assert (home / "mine.db").read_bytes() == before


def test_a_run_below_a_link_that_the_user_made_is_fine(home: Path) -> None:
    (home / "disk").mkdir()
    (home / "runs").symlink_to(home / "disk")
    made = zoo.train("cnn", *TINY, device="cpu")
    assert (home / "disk" / made.run.name / "weights.safetensors").is_file()


def test_a_pipe_is_not_replaced_by_pictures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe.yaml")
    assert main(["evaluate", str(run), "--record", "pipe.yaml", "--device", "cpu"]) == 2
    assert "pipe.yaml: " in capsys.readouterr().err.splitlines()[-1]
    assert Path("pipe.yaml").is_fifo()
