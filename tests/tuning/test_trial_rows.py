"""Trials read from the file of a study without Optuna are those that Optuna reads."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from zoo.core.errors import RunError
from zoo.core.sections import TuneSpec
from zoo.tuning import storage
from zoo.tuning.study_folder import load_rows
from zoo.tuning.trial_rows import FILE, UnknownSchemaError, read_rows

GOLDEN = Path(__file__).parents[1] / "golden" / "runs" / "study"


def make_study(folder: Path) -> None:
    study = storage.connect(folder, TuneSpec())
    for number, state in enumerate((optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, None)):
        trial = study.ask()
        trial.set_user_attr("config", {"a": [1, None, "\u00e9"]})
        for step, value in enumerate((1.5, math.inf, 0.25)):
            trial.report(value, step + 1)
        if state:
            study.tell(trial, 0.1 * number if state is optuna.trial.TrialState.COMPLETE else None, state=state)
    storage.close(study)


def by_optuna(folder: Path) -> list[object]:
    study = storage.load(folder)
    rows = [storage.to_row(trial) for trial in storage.frozen_trials(study)]
    storage.close(study)
    return list(rows)


def test_they_are_what_optuna_reads(tmp_path: Path) -> None:
    make_study(tmp_path)
    rows = read_rows(tmp_path)
    assert [row.state for row in rows] == ["COMPLETE", "PRUNED", "RUNNING"]
    assert rows == by_optuna(tmp_path)
    assert read_rows(GOLDEN) == by_optuna(GOLDEN)


def test_tables_of_another_version_are_left_to_optuna(tmp_path: Path) -> None:
    make_study(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("UPDATE version_info SET schema_version = 13")
    file.close()
    with pytest.raises(UnknownSchemaError):
        read_rows(tmp_path)
    assert load_rows(tmp_path) == by_optuna(tmp_path)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(RunError, match="damaged"):
        load_rows(tmp_path)


def test_a_listing_does_not_import_optuna() -> None:
    code = "import sys, zoo; zoo.studies(sys.argv[1]).found[0]; print('optuna' in sys.modules, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, GOLDEN.parent], capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == "False"
