"""What earlier versions promised and wrote stays good: entry hashes, the kinds of the plugins, the schema, folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.cli import main

GOLDEN = Path(__file__).parents[1] / "golden"
"""Written by version 0.1.0 as it was before the modules moved into packages."""


@pytest.fixture
def runs(home: Path) -> Path:
    """Copies of a finished and an interrupted run, a study of two trials and a comparison, of that version."""
    shutil.copytree(GOLDEN / "runs", "runs")
    return Path("runs")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The JSON document that a command prints."""
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_hash_of_every_entry_is_as_it_was(home: Path) -> None:
    recorded = dict(line.split() for line in (GOLDEN / "entry_hashes.txt").read_text(encoding="utf-8").splitlines())
    found = {entry.name: hash_of(entry.name) for entry in zoo.entries()}
    assert {name: found.get(name) for name in recorded} == recorded


def hash_of(name: str) -> str:
    """The hash of an entry."""
    return zoo.show(name, measure=False).hash


def test_the_first_party_plugins_still_give_their_kinds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = json.loads((GOLDEN / "plugins.json").read_text(encoding="utf-8"))["plugins"]
    found = {row["name"]: row for row in printed(capsys, "plugins")["plugins"]}
    for row in recorded:
        kinds, before = (
            {(kind["family"], kind["name"]) for kind in each["kinds"]} for each in (found[row["name"]], row)
        )
        assert found[row["name"]]["state"] == row["state"] and before <= kinds


def test_the_schema_still_takes_every_option(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = json.loads((GOLDEN / "schema.json").read_text(encoding="utf-8"))
    assert main(["schema"]) == 0
    assert paths(recorded) <= paths(json.loads(capsys.readouterr().out))


def paths(value: object, path: str = "") -> set[str]:
    """The dotted paths of all keys and list items of a JSON document, in any order, without texts for readers."""
    if isinstance(value, list):
        ends = [f"{path}.{'*' if isinstance(part, dict | list) else part}" for part in value]
        return {found for part, end in zip(value, ends, strict=True) for found in paths(part, end)}
    if not isinstance(value, dict):
        return {path}
    kept = {key: part for key, part in value.items() if key not in {"description", "title"}}
    return {found for key, part in kept.items() for found in paths(part, f"{path}.{key}")}


def test_a_finished_run_is_loaded_and_evaluated(runs: Path) -> None:
    assert zoo.load("tiny-1").path == runs / "tiny-1"
    assert zoo.load("tiny-1").model().training is False


def test_an_interrupted_run_goes_on(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads((runs / "tiny-2" / "entry.json").read_text(encoding="utf-8"))
    words = [f"model.{key}={entry['model'][key]}" for key in ("blocks", "first", "last", "head")]
    words += ["data.limit=200", "train.epochs=4", "train.compile=off", "--device", "cpu", "--out", str(runs / "tiny-2")]
    assert printed(capsys, "train", "cnn", *words)["epochs"] == 4
    rows = (runs / "tiny-2" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    before = (GOLDEN / "runs" / "tiny-2" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 4 and rows[: len(before)] == before


def test_a_study_is_listed_and_stands_for_its_best_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study,) = printed(capsys, "studies")["studies"]
    assert Path(study["study"]).name == "study" and study["trials"]["completed"] + study["trials"]["pruned"] == 2
    assert zoo.load("study").path.parent == runs / "study" / "trials"


@pytest.mark.slow
def test_a_study_goes_on_with_more_trials(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = json.loads((runs / "study" / "study.json").read_text(encoding="utf-8"))["command"].split()
    found = printed(capsys, *command[1:], "--trials", "3")
    assert sum(found["trials"][state] for state in ("completed", "pruned")) == 3


def test_a_comparison_goes_on_with_another_seed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "data.limit=200 model.blocks=2 model.first=4 model.last=8 model.head=0 train.compile=off train.epochs=1"
    found = printed(
        capsys, "compare", "cnn", *words.split(), "model.norm=none,before", "--seeds", "2", "--name", "comparison"
    )
    assert len(list((runs / "comparison").glob("*-seed1/weights.safetensors"))) == 2
    assert (runs / "comparison" / "01-seed0" / "run.json").read_text() == (
        GOLDEN / "runs" / "comparison" / "01-seed0" / "run.json"
    ).read_text()
    assert found
