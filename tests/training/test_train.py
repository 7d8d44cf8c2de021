"""`zoo train` beside runs of other options, and in a folder that has a finished run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from runfolders import copy_run
from samples import BLUE, RED, encoded, write

from tests.conftest import TINY
from zoo.cli import main
from zoo.registry.listing import load_entry
from zoo.runs.choose_folder import choose_folder
from zoo.runs.lock import lock_folder

Capture = pytest.CaptureFixture[str]
SHORT = [*TINY, "train.epochs=1", "--device", "cpu"]


def test_an_unfinished_run_of_other_options_is_named_before_another_begins(run: Path, capsys: Capture) -> None:
    copy_run(run, "cnn-1", state="interrupted", command="zoo train cnn --again")
    assert main(["train", "cnn", *SHORT]) == 0
    out, err = capsys.readouterr()
    first = err.splitlines()[0]
    assert first.startswith(f"{Path('runs/cnn-1')} is unfinished and has other options (train.epochs: 2 -> 1)")
    assert first.endswith("to resume that one: zoo train cnn --again")
    assert out.startswith(str(Path("runs/cnn-2")))
    assert main(["train", "cnn", *SHORT, "--fresh"]) == 0
    assert "unfinished" not in capsys.readouterr().err
    with lock_folder(Path("runs/cnn-1")):
        assert main(["train", "cnn", *SHORT, "--seed", "1"]) == 0
    assert "unfinished" not in capsys.readouterr().err, "it is being trained"


@pytest.mark.skipif(sys.platform == "win32", reason="not everybody may make links there")
def test_what_a_killed_training_left_before_it_began_is_removed(home: Path) -> None:
    names = ("killed", "young", "held", "full", "elsewhere")
    killed, young, held, full, elsewhere = (Path("runs", f"cnn-{number}") for number in range(1, len(names) + 1))
    Path("mine").mkdir()
    for path in (killed, young, held, full, Path("mine")):
        path.mkdir(parents=True, exist_ok=True)
        for file in ("lock", "lock.json", "entry.json", *(["notes.txt"] if path == full else [])):
            (path / file).write_text("{}", encoding="utf-8")
    elsewhere.symlink_to(Path("mine").absolute(), target_is_directory=True)
    with lock_folder(held):
        for path in (killed, held, full, Path("mine")):
            os.utime(path, (0, 0))
        chosen, before = choose_folder(load_entry("cnn"), None, fresh=True)
    assert (chosen, before) == (Path("runs/cnn-6"), None)
    assert sorted(path.name for path in Path("runs").iterdir()) == [f"cnn-{number}" for number in range(2, 7)]
    assert (elsewhere / "entry.json").exists() and (full / "entry.json").exists()


def test_a_finished_out_says_so_and_is_refused_with_other_options(run: Path, capsys: Capture) -> None:
    tiny = [*TINY, "--device", "cpu", "--out", str(run)]
    assert main(["train", "cnn", *tiny]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{run}: 2 epochs")
    assert f"{run} is already finished (" in err
    assert main(["train", "cnn", *tiny, "train.lr=0.5"]) == 2
    out, err = capsys.readouterr()
    assert not out and "contains a different run: train.lr: " in err


def test_a_finished_out_whose_pictures_changed_is_refused(home: Path, capsys: Capture) -> None:
    for name, colour in (("red", RED), ("blue", BLUE)):
        for place in range(10):
            write(home / "set" / name / f"{place}.png", encoded(colour))
    words = ["train", "cnn", *SHORT[1:], "--data", "set", "--out", "mine"]
    words.remove("data.limit=200")
    assert main(words) == 0
    capsys.readouterr()
    write(home / "set" / "red" / "4.png", encoded(BLUE))
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert not out and "the pictures have changed since mine was trained; choose another --out" in err
    for file in (home / "set").rglob("*.png"):
        file.unlink()
    assert main([*words, "--json"]) == 3 and json.loads(capsys.readouterr().out)["error"]["name"] == "data"
