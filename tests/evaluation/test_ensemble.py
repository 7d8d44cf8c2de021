"""Ensembles: RUN+RUN is the mean of the class probabilities of runs with the same classes and data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.cli import main
from zoo.core.errors import DataError, ZooError
from zoo.core.yaml import parse
from zoo.registry.build import build_data

pytestmark = pytest.mark.usefixtures("home")

TINY = ["model.blocks=1", "model.first=4", "model.last=4", "train.epochs=1", "train.batch=10"]
WIDE = ["model.last=6", "train.seed=1"]


@pytest.fixture
def pets(home: Path) -> Path:
    """A folder of 2 classes with 20 pictures each, of 12x12 pixels."""
    chance = np.random.default_rng(0)
    for number in range(20):
        for name, rows in {"above": slice(0, 6), "below": slice(6, 12)}.items():
            pixels = chance.integers(0, 120, (12, 12), dtype=np.uint8)
            pixels[rows] += 100
            path = home / "pets" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return home / "pets"


def make_run(name: str, *words: str, data: str = "pets") -> str:
    """Train a tiny run with this name."""
    zoo.train("cnn", *TINY, *words, data=data, out=Path("runs") / name, device="cpu")
    return name


def test_the_probabilities_of_runs_of_different_sizes_are_averaged(pets: Path) -> None:
    one, two = make_run("one"), make_run("two", *WIDE, "data.size=8")
    found = zoo.evaluate(f"{one}+{two}", device="cpu")
    parts = []
    for run in map(zoo.load, (one, two)):
        test, model = build_data(run.entry.data)[0].test, run.model()
        with torch.inference_mode():
            parts.append(model(test.floats).softmax(1))
    mean = torch.stack(parts).mean(0)
    assert found.pictures == len(test) == 8
    assert found.metrics["accuracy"] == (mean.argmax(1) == test.y).double().mean().item()
    assert found.metrics["loss"] == pytest.approx(-mean[range(8), test.y].log().mean().item(), abs=0.02)
    sizes = [zoo.load(name).record["parameters"] for name in (one, two)]
    assert sizes[0] != sizes[1]
    about = found.to_dict()
    assert (about["averaging"], about["parameters"]) == ("2 runs", sum(sizes))
    assert [member["parameters"] for member in about["members"]] == sizes
    predicted = zoo.predict([one, zoo.load(two)], ["pets/above"], "cpu").predictions
    rows = [zoo.load(name)("pets/above", "cpu").probabilities for name in (one, two)]
    best = torch.stack(rows).mean(0).max(1)
    assert [each.probability for each in predicted] == pytest.approx(best.values.tolist(), abs=1e-6)


def test_the_command_names_what_it_averages(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run("one"), make_run("two", *WIDE)
    assert main(["evaluate", "one+two", "--views", "flip", "--record", "r.yaml", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    sizes = [zoo.load(name).record["parameters"] for name in ("one", "two")]
    assert "runs/one+runs/two: 8 test pictures, averaged over 2 runs and 2 views (flip)\n" in printed
    assert f"an ensemble of {sum(sizes):,} parameters\n" in printed
    assert json.loads(Path("runs/one+two/evaluation/test-flip.json").read_text("utf-8"))["parameters"] == sum(sizes)
    row = parse(Path("r.yaml").read_text(encoding="utf-8"), "r.yaml").data["results"][0]
    assert (row["entry"], row["averaging"]) == ("cnn+cnn", "2 runs and 2 views (flip)")
    assert row["parameters"] == sum(sizes)
    assert main(["predict", "one+two", "pets/above/3.png", "--json", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["averaging"] == "2 runs"


def test_other_classes_other_data_or_the_same_run_are_refused(pets: Path) -> None:
    make_run("one")
    with pytest.raises(ZooError, match="runs/one is named twice; name each run of an ensemble once"):
        zoo.evaluate("one+one", device="cpu")
    with pytest.raises(ZooError, match="'one\\+' has an empty name; write RUN\\+RUN"):
        zoo.evaluate("one+", device="cpu")
    with pytest.raises(ZooError, match="no run 'tow'"):
        zoo.evaluate("one+tow", device="cpu")
    make_run("tow", *WIDE, "data.split_seed=1")
    with pytest.raises(DataError, match=r"runs/tow reads other test pictures than runs/one; .* need the same data"):
        zoo.evaluate("one+tow", device="cpu")
    make_run("digits", "data.limit=50", data="digits")
    with pytest.raises(ZooError, match=r"digits has the classes 0, 1, .* runs/one has above, below; .* same classes"):
        zoo.predict("one+digits", ["pets/above/3.png"], "cpu")
    with pytest.raises(ZooError, match="an ensemble draws no samples"):
        zoo.evaluate("one+tow", judge="cnn", device="cpu")


def test_a_run_in_a_folder_whose_name_has_a_plus_is_one_run(pets: Path) -> None:
    for name, words in {"one": [], "two": WIDE}.items():
        zoo.train("cnn", *TINY, *words, data="pets", out=Path("a+b") / name, device="cpu")
    assert not zoo.evaluate("a+b/one", device="cpu").members
    assert zoo.evaluate("a+b/one+a+b/two", device="cpu").averaging == "2 runs"
    with pytest.raises(ZooError, match=r"no run 'a\+b/oen'; a \+ joins runs, and there is no run 'a'"):
        zoo.evaluate("a+b/oen", device="cpu")
    with pytest.raises(ZooError, match=r"a\+b is not a run folder: it has no run.json"):
        zoo.evaluate(Path("a+b").absolute(), device="cpu")


def test_ensembles_of_runs_with_the_same_names_are_kept_apart(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = list[str]()
    monkeypatch.setattr("zoo.cli.views.evaluation.draw_confusion", lambda *about: titles.append(about[-1]))
    for name, words in {"one": [], "two": WIDE}.items():
        for study in "ab":
            zoo.train("cnn", *TINY, *words, data="pets", out=Path("runs", study, name), device="cpu")
    runs = [f"runs/{study}/one+{study}/two" for study in "ab"]
    for text in (*runs, runs[0]):
        assert main(["evaluate", text, "--device", "cpu"]) == 0
    found = [json.loads(path.read_text("utf-8"))["run"] for path in Path("runs").glob("one+two-*/evaluation/test.json")]
    assert sorted(found) == [f"{Path('runs', each, 'one')}+{Path('runs', each, 'two')}" for each in "ab"]
    assert titles[0].startswith("a/one+a/two: test split")


def test_a_command_for_one_run_says_so(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = make_run("one"), make_run("two", *WIDE)
    assert main(["report", f"{one}+{two}"]) == 2
    assert "'one+two' names several runs, and this takes one" in capsys.readouterr().err
