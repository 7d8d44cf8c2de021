"""The winner of a study as an entry: added to files of many forms, equal to the run, refused in time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from studies import Engine, study, trial

from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.core.yaml import parse
from zoo.registry.listing import load_entry
from zoo.runs.run import Run
from zoo.tuning.save_as import check_free, insert_entry, save_as
from zoo.tuning.study import Study

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A made-up engine."""
    return Engine(monkeypatch)


def winning(run: Path) -> Study:
    """A study that the tiny run has won."""
    best = replace(trial(0), run=run, loss=0.0371, parameters=87_210)
    return replace(study(budget=1), trials=[best])


BODY = {"summary": "a: b # c", "model": {"kind": "cnn", "first": 32, "lr": 1e-5, "path": "C:\\x", "none": None}}


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n",
        "version: 1",
        "version: 1\nentries:\n",
        "version: 1\nentries: {}",
        "version: 1\nentries: null  # mine\n",
        "version: 1\nentries:\n\n# the results\nresults:\n  - {entry: a, of: b, metrics: {}}\n",
        "version: 1\nentries: {}  # mine\nresults: []\n# the end",
        "version: 1\n# above\nresults:\n  - {entry: a, of: b, metrics: {}}\n",
        "# café\nversion: 1\nentries:\n  a: {model: {kind: cnn}}  # one\n  # two\n  b:\n    summary: x\n    # of b\n"
        "\n# the results\nresults:\n  - {entry: a, of: b, metrics: {}}\n",
        "version: 1\nresults: []\nentries:\n    a: {}\n",
        "version: 1\nentries:\n  a:\n    summary: |+\n      text\n\n\nresults: []\n",
        "version: 1\nentries: {a: {}, # one\n  b: {} # two\n  }\nresults: []\n",
        '{"version": 1, "entries": {"a": {}}}\n',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_entry_is_added_and_the_rest_stays(text: str, end: str, home: Path) -> None:
    text = text.replace("\n", end)
    before = parse(text, "x").data
    new = insert_entry(home / "r.yaml", text, "win", BODY)
    after = parse(new, "x").data
    entries = before.get("entries") or {}
    assert after == before | {"entries": entries | {"win": BODY}}
    kept = [line for line in text.splitlines() if "entries" not in line and not line.endswith("}")]
    rest = iter(new.splitlines())
    assert all(line in rest for line in kept)
    assert end not in text or new.replace(end, "").count("\n") == 0
    again = insert_entry(home / "r.yaml", new, "other", BODY)
    assert parse(again, "x").data["entries"].keys() == {*entries, "win", "other"}


@pytest.mark.parametrize(
    "text", ["- 1\n", "a: [", "entries: {}\n", "version: 1\nentries: 5\n", "version: 1\nentries: []\n"]
)
def test_what_is_no_registry_is_left_alone(text: str, home: Path) -> None:
    (home / "r.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ZooError, match=r"r\.yaml"):
        check_free(home / "r.yaml", "win")
    assert (home / "r.yaml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_winner_becomes_an_entry(fake: Engine, run: Path, home: Path, mark: str, capsys: Capture) -> None:
    text = f"{mark}# mine\r\nversion: 1\r\nentries: {{}}\r\n"
    (home / "registry.yaml").write_bytes(text.encode())
    fake(winning(run))
    assert main(["tune", "cnn", "--save-as", "best-cnn"]) == 0
    err = capsys.readouterr().err
    assert "train it with: zoo train best-cnn" in err and "wrote registry.yaml" in err
    written = (home / "registry.yaml").read_bytes().decode()
    assert written.startswith(f"{mark}# mine\r\nversion: 1\r\nentries:\r\n  best-cnn:\r\n    summary: ")
    mine, theirs = load_entry("best-cnn").dump(), Run.open(run).entry.dump()
    assert mine.pop("summary") == "best of cnn-study: loss 0.0371, 87,210 parameters"
    assert {key: mine[key] for key in ("data", "model", "train")} == {
        key: theirs[key] for key in ("data", "model", "train")
    }
    assert "momentum" not in written  # a default
    assert main(["tune", "cnn", "--save-as", "best-cnn"]) == 2
    assert "registry.yaml already has an entry 'best-cnn'" in capsys.readouterr().err


def test_a_name_that_cannot_be_saved_is_refused_before_anything_runs(fake: Engine, home: Path, capsys: Capture) -> None:
    asked = fake(study("done"))
    assert main(["tune", "cnn", "--save-as", "../x"]) == 2
    assert main(["tune", "cnn", "--save-as", "con"]) == 2
    (home / "registry.yaml").write_text("version: 1\nentries: {taken: {}}\n", encoding="utf-8")
    assert main(["tune", "cnn", "--save-as", "taken"]) == 2
    assert asked == {}
    assert "choose another --save-as" in capsys.readouterr().err


def test_what_was_found_is_shown_although_it_cannot_be_saved(fake: Engine, capsys: Capture) -> None:
    fake(study("pruned"))
    assert main(["tune", "cnn", "--save-as", "win", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["trials"]["pruned"] == 1
    assert "error: could not save win: " in err
    assert not Path("registry.yaml").exists()


def test_options_that_do_not_follow_from_those_set_are_all_written(
    run: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.tuning.save_as.restore_entry", lambda data: load_entry("cnn"))
    save_as(home / "new.yaml", "win", winning(run))
    found = parse((home / "new.yaml").read_text(encoding="utf-8"), "x").data["entries"]["win"]
    assert found["model"] == Run.open(run).entry.model.dump()
