"""One bad study or run, whatever is wrong with it, does not take a listing down."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.cli import main
from zoo.core.files import digest, write_json
from zoo.runs.listing import list_runs
from zoo.tuning.study_folder import read_budget, studies

GOLDEN = Path(__file__).parents[1] / "golden" / "runs"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")


def sealed(path: Path, **values: Any) -> None:
    """Change values of a sealed file, and renew its seal."""
    about = json.loads(path.read_text(encoding="utf-8")) | values
    about.pop("seal")
    write_json(path, about | {"seal": digest(about)})


def pipe(path: Path) -> None:
    """Put a named pipe in a file's place."""
    path.unlink()
    os.mkfifo(path)


def attribute(folder: Path, key: str, text: str) -> None:
    """Change what the database holds of all trials."""
    execute(folder, "UPDATE trial_user_attributes SET value_json = ? WHERE key = ?", (text, key))


def execute(folder: Path, statement: str, values: tuple[str, ...]) -> None:
    """Change the database of a study."""
    with sqlite3.connect(folder / "study.db") as file:
        file.execute(statement, values)
    file.close()


FAULTS: dict[str, Callable[[Path], object]] = {
    "no-plan": lambda path: sealed(path / "study.json", entry=3),
    "no-kind": lambda path: sealed(path / "study.json", entry={"name": "x", "data": []}),
    "no-space": lambda path: sealed(path / "study.json", space=["x"]),
    "tune": lambda path: sealed(path / "study.json", tune={"objective": 7}),
    "list": lambda path: (path / "study.json").write_text("[]", encoding="utf-8"),
    "deep": lambda path: (path / "study.json").write_text("[" * 100_000, encoding="utf-8"),
    "pipe": lambda path: pipe(path / "study.json"),
    "database-pipe": lambda path: pipe(path / "study.db"),
    "metrics": lambda path: attribute(path, "metrics", '"x"'),
    "reason": lambda path: attribute(path, "reason", "3"),
    "outcome": lambda path: attribute(path, "outcome", '"\\u001b[2J"'),
    "json": lambda path: attribute(path, "config", "{"),
    "twice": lambda path: execute(path, "UPDATE trials SET number = 0", ()),
    "half": lambda path: (path / "study.db").write_bytes((path / "study.db").read_bytes()[:20_000]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_other_studies_are_listed(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("good", "bad"):
        shutil.copytree(GOLDEN / "study", home / "runs" / folder)
    FAULTS[name](home / "runs" / "bad")
    assert main(["studies", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [study["name"] for study in shown["studies"]] == ["good"]
    (problem,) = shown["problems"]
    assert "bad" in problem and problem.isprintable()


@pytest.mark.parametrize("text", ["", "[", "{}", '{"trials": "x"}', '{"trials": -3}', '{"trials": 1e999}', "[]"])
def test_a_damaged_budget_is_the_default_and_said(text: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(GOLDEN / "study", home / "runs" / "study")
    (home / "runs" / "study" / "budget.json").write_text(text, encoding="utf-8")
    assert len(studies().found) == 1
    assert read_budget(home / "runs" / "study") > 0
    assert main(["studies"]) == 0
    assert "budget.json is damaged: the number of trials asked for is taken as" in capsys.readouterr().err
    (home / "runs" / "study" / "budget.json").unlink()
    assert main(["studies"]) == 0
    assert not capsys.readouterr().err, "a study of an old zoo has none"


@pytest.mark.parametrize(
    "value", [{"seconds": "x"}, {"parameters": -1}, {"fingerprints": [1]}, {"teacher": {"entry": 3}}]
)
def test_the_other_runs_are_listed(value: dict[str, Any], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run, "runs/bad-1")
    shutil.copytree(run, "runs/bad-2")
    sealed(Path("runs/bad-1/run.json"), **value)
    row = {"stage": "model", "epoch": 1, "valid": {"loss": "x"}}
    Path("runs/bad-2/metrics.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    found, problems = list_runs()
    assert {info.run.name: info.state for info in found} == {"bad-1": "damaged", "bad-2": "damaged", "tiny-1": "done"}
    assert len(problems) == 2
    assert main(["predict", "runs/bad-1", "x.png"]) == 5
    assert "is damaged" in capsys.readouterr().err
