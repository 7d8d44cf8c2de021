"""A plugin whose model ends the process as it is built does not end `zoo tune` without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import samples
import toys

from zoo.cli import main
from zoo.core.errors import DataError, MissingError
from zoo.core.types import DataInfo
from zoo.registry.entry import Entry
from zoo.registry.listing import load_entry
from zoo.tuning import trial_build
from zoo.tuning.trial_build import Build, build_here, build_of, to_json
from zoo.tuning.trial_worker import read_pictures

Capture = pytest.CaptureFixture[str]
INFO = DataInfo.of((1, 8, 8), ("cat", "dog"))
ENDED = "building the model kind 'toy': it terminated the process (os._exit(3)); report it to its authors"


@pytest.fixture(autouse=True)
def toy(install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin, and the folder in which it finds out what to do."""
    toys.place(install)
    monkeypatch.setenv("ZOO_TOY", str(tmp_path))


@pytest.fixture
def own_pictures(home: Path) -> Path:
    """A folder with two classes."""
    for number in range(12):
        samples.write(home / f"own/{'ab'[number % 2]}/{number}.png", samples.encoded(number * 20, (8, 8), mode="L"))
    return home / "own"


def test_a_model_that_ends_the_process_is_one_line_where_stages_have_options(capsys: Capture) -> None:
    assert main(["tune", "toy", "model.how=exit-build", "train.stages.model.lr=0.1", "--trials", "1"]) == 4
    said = capsys.readouterr().err
    assert ENDED in said and "zoo check" in said
    assert len(said.splitlines()) == 1
    assert not Path("runs/toy-study").exists()


@pytest.mark.slow
def test_a_model_that_ends_the_process_is_one_line_where_options_follow_pictures(
    own_pictures: Path, capsys: Capture
) -> None:
    assert main(["tune", "toy", "model.how=exit-build", "--data", str(own_pictures), "--trials", "1"]) == 4
    assert ENDED in capsys.readouterr().err


@pytest.mark.slow
def test_the_pictures_of_one_class_are_checked_in_a_child(home: Path) -> None:
    for number in range(6):
        samples.write(home / f"one/a/{number}.png", samples.encoded(number * 40, (8, 8), mode="L"))
    words = ("data.kind=folder", f"data.path={home / 'one'}")
    with pytest.raises(MissingError, match="it terminated the process"):
        read_pictures(load_entry("toy", [*words, "model.how=exit-build"]))
    with pytest.raises(DataError, match="all pictures are of one class, 'a'; a classifier needs at least two"):
        read_pictures(load_entry("toy", words))


def test_a_child_finds_what_this_process_would(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = load_entry("toy")
    here = build_here(entry, INFO)
    assert here.stages == ("model",) and here.size().parameters == 64 * 4 + 4 + 4 * 2 + 2 and here.error is None
    assert build_of(to_json(here)) == here

    def fail(*arguments: object) -> Build:
        raise OSError("too many processes")

    monkeypatch.setattr(trial_build, "build_in_child", fail)
    assert trial_build.trial_build(entry, INFO) == here


@pytest.mark.parametrize(("how", "expected"), [("no-build", MissingError), ("fine", DataError)])
def test_errors_come_back_as_they_are(how: str, expected: type[Exception]) -> None:
    one_class = DataInfo.of((1, 8, 8), ("cat",))
    here = build_here(load_entry("toy", [f"model.how={how}"]), one_class)
    back = build_of(to_json(here))
    assert isinstance(here.error, expected) and type(back.error) is type(here.error)
    assert str(back.error) == str(here.error)
    assert back.stages == here.stages == (None if how == "no-build" else ("model",))


def test_the_zoos_own_models_are_built_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_build, "start_python", lambda *about: pytest.fail("starts a process"))
    entry: Entry = load_entry("cnn")
    assert trial_build.trial_build(entry, INFO).size().parameters > 0
