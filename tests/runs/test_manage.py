"""`zoo runs`: the listing, removal, renaming and pruning of run folders."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from runfolders import copy_run

from zoo.cli import main
from zoo.runs.find import load
from zoo.runs.lock import lock_folder

Capture = pytest.CaptureFixture[str]


def zoo_json(capsys: Capture, *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_no_runs_are_no_error(home: Path, capsys: Capture) -> None:
    assert main(["runs"]) == 0
    assert "no runs yet" in capsys.readouterr().err
    assert zoo_json(capsys, "runs") == {"runs": [], "problems": []}
    assert main(["runs", "prune"]) == 0


def test_runs_are_listed_with_entry_data_state_and_main_metric(run: Path, capsys: Capture) -> None:
    copy_run(run, "stopped-1", state="interrupted")
    copy_run(run, "killed-1", state="running")
    with lock_folder(copy_run(run, "busy-1", state="interrupted")):
        found = {Path(each["run"]).name: each for each in zoo_json(capsys, "runs")["runs"]}
        assert main(["runs"]) == 0
    out = capsys.readouterr().out
    opened = load(run)
    accuracy = opened.kept_epoch()["valid"]["accuracy"]
    assert {name: each["state"] for name, each in found.items()} == {
        "busy-1": "running",
        "killed-1": "interrupted",
        "stopped-1": "interrupted",
        "tiny-1": "done",
    }
    tiny = found["tiny-1"]
    assert (tiny["entry"], tiny["data"], tiny["metric"], tiny["value"]) == ("cnn", "digits", "accuracy", accuracy)
    assert (tiny["epochs"], tiny["parameters"]) == (2, opened.record["parameters"])
    assert tiny["bytes"] == sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    assert f"accuracy {accuracy:.4g}" in next(line for line in out.splitlines() if line.startswith("tiny-1"))


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 1}', '{"schema": 99}', "\x00"])
def test_a_bad_run_does_not_take_the_listing_down(damage: str, run: Path, capsys: Capture) -> None:
    bad = copy_run(run, "bad-1")
    (bad / "run.json").write_text(damage, encoding="utf-8")
    found = zoo_json(capsys, "runs")
    assert {Path(each["run"]).name: each["state"] for each in found["runs"]} == {"bad-1": "damaged", "tiny-1": "done"}
    (problem,) = found["problems"]
    assert "bad-1" in problem
    assert main(["runs", "prune"]) == 0 and bad.exists(), "it may be of a newer version"
    assert main(["runs", "rm", "bad-1"]) == 0 and not bad.exists()


def test_a_run_whose_record_or_log_is_odd_is_called_damaged(run: Path, capsys: Capture) -> None:
    copy_run(run, "odd-1", seconds=[])
    log = copy_run(run, "odd-2") / "metrics.jsonl"
    log.write_text('[]\n{"stage": 3}\n', encoding="utf-8")
    found = zoo_json(capsys, "runs")
    assert [each["state"] for each in found["runs"]] == ["damaged", "damaged", "done"]
    assert len(found["problems"]) == 2


def test_rm_removes_runs_by_name_or_path(run: Path, capsys: Capture) -> None:
    copy_run(run, "a-1")
    copy_run(run, "b-1")
    assert zoo_json(capsys, "runs", "rm", "a-1", "--dry-run")["removed"] == [str(Path("runs/a-1"))]
    assert Path("runs/a-1").exists()
    assert zoo_json(capsys, "runs", "rm", "a-1", "runs/b-1")["removed"] == [
        str(Path("runs/a-1")),
        str(Path("runs/b-1")),
    ]
    assert [path.name for path in Path("runs").iterdir()] == ["tiny-1"]


def test_nothing_else_is_removed(run: Path, tmp_path: Path, capsys: Capture) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(run, outside)
    Path("runs/notes").mkdir()
    Path("runs/notes/a.txt").write_text("mine", encoding="utf-8")
    names = [
        "../outside",
        str(outside),
        "runs/../runs/tiny-1",
        "..",
        ".",
        "",
        "runs",
        "notes",
        "tiny",
        "a/b/c",
        "x" * 99,
    ]
    for name in names:
        for words in (["rm", "--", name], ["mv", "--", name, "new"], ["rm", "--", "tiny-1", name]):
            assert main(["runs", *words]) == 2, name
    for name in ("../new", "", ".hidden", "tiny-1", "notes", "con", "a/b"):
        assert main(["runs", "mv", "tiny-1", name]) == 2, name
    assert main(["runs", "rm", "tiny"]) == 2
    assert "did you mean 'tiny-1'?" in capsys.readouterr().err
    assert {path.name for path in Path("runs").iterdir()} == {"tiny-1", "notes"}
    assert len(list(outside.iterdir())) == len(list(run.iterdir())) > 3


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_are_not_followed(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(run, outside)
    Path("runs/link-1").symlink_to(outside)
    assert main(["runs", "rm", "link-1"]) == 7
    inner = copy_run(run, "inner-1")
    (inner / "evaluation").mkdir(exist_ok=True)
    (inner / "evaluation" / "away").symlink_to(outside)
    (inner / "away").symlink_to(outside)
    assert main(["runs", "rm", "inner-1"]) == 0 and not inner.exists()
    assert len(list(outside.iterdir())) == len(list(run.iterdir()))


def test_a_run_in_use_is_neither_removed_nor_renamed(run: Path, capsys: Capture) -> None:
    with lock_folder(run):
        assert main(["runs", "rm", "tiny-1"]) == 6
        assert main(["runs", "mv", "tiny-1", "new"]) == 6
    assert "in use by pid" in capsys.readouterr().err
    assert load(run).model()


def test_mv_renames_a_run(run: Path, capsys: Capture) -> None:
    assert zoo_json(capsys, "runs", "mv", "tiny-1", "best")["run"] == str(Path("runs/best"))
    assert not run.exists() and not Path("runs/best/lock.json").exists()
    assert load("best").model()


def test_no_run_is_named_like_an_entry(run: Path, capsys: Capture) -> None:
    assert main(["runs", "mv", "tiny-1", "cnn-separable"]) == 2
    assert "cnn-separable is an entry, which stands for its newest run" in capsys.readouterr().err
    assert run.exists()


def test_prune_removes_what_diverged_or_was_interrupted(run: Path, capsys: Capture) -> None:
    copy_run(run, "a-1", state="interrupted")
    copy_run(run, "b-1", state="diverged")
    with lock_folder(copy_run(run, "c-1", state="running")):
        expected = [str(Path("runs/a-1")), str(Path("runs/b-1"))]
        assert zoo_json(capsys, "runs", "prune", "--dry-run")["removed"] == expected
        assert main(["runs", "prune"]) == 2, "nobody can be asked without a terminal"
        assert "nobody can be asked whether to remove" in capsys.readouterr().err
        assert zoo_json(capsys, "runs", "prune", "--yes")["removed"] == expected
    assert sorted(path.name for path in Path("runs").iterdir()) == ["c-1", "tiny-1"]


@pytest.mark.parametrize(
    "words",
    [
        ["tiny-1"],
        ["list", "tiny-1"],
        ["rm"],
        ["mv", "tiny-1"],
        ["prune", "tiny-1"],
        ["--dry-run"],
        ["rm", "tiny-1", "--yes"],
    ],
)
def test_words_that_an_action_does_not_take_are_refused(words: list[str], run: Path) -> None:
    assert main(["runs", *words]) == 2
    assert run.exists()
