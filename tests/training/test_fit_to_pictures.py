"""Options that follow the pictures: which ones, when, and that a run keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli import main
from zoo.registry.listing import load_entry, load_registry
from zoo.registry.search.space import Space
from zoo.training.fit_to_pictures import WORK, Fit, Workload, fit_to_pictures
from zoo.tuning.fit_study import fit_space

SMALL = ["model.blocks=2", "model.first=4", "model.last=8", "model.head=0", "train.compile=off"]
"""Options that make the model cheap; none of them follows the pictures."""
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Make a folder of random pictures, with the number of pictures of each class."""

    def make(side: int = 8, **counts: int) -> Path:
        noise = np.random.default_rng(0)
        for name, count in counts.items():
            (tmp_path / "own" / name).mkdir(parents=True)
            for index in range(count):
                pixels = noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "own" / name / f"{index}.png")
        return tmp_path / "own"

    return make


def fit(*words: str, workload: Workload, entry: str = "cnn") -> Fit:
    """Fit an entry that gets the pictures of a folder."""
    return fit_to_pictures(load_entry(entry, ["data.kind=folder", "data.path=own", *words]), workload)


def train(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    """Train by the command: the run's entry, and what was said."""
    assert main(["train", *words, "--json"]) == 0
    output = capsys.readouterr()
    run = json.loads(output.out)["run"]
    return json.loads((Path(run) / "entry.json").read_text(encoding="utf-8")), output.err


FEW = Workload(pictures=176, height=64, flops=156_000_000, classifier=True, small_flops=64_000_000)


def test_few_pictures_get_small_batches_and_many_epochs() -> None:
    changed = fit(workload=FEW).changed
    assert changed["train.batch"] == (250, 32) and changed["data.size"] == (None, 32)
    steps = 176 // 32 * changed["train.epochs"][1]
    assert 1_000 <= steps <= 2_000
    assert changed["train.lr"][1] < 4e-3


def test_accumulated_batches_count_as_one() -> None:
    alone, parts = fit(workload=FEW).changed, fit("train.accumulate=4", workload=FEW).changed
    assert parts["train.batch"][1] * 4 == alone["train.batch"][1]
    assert parts["train.epochs"] == alone["train.epochs"]


def test_decay_that_ignores_the_rate_stays_small() -> None:
    assert "train.weight_decay" in fit(workload=FEW).changed
    assert "train.weight_decay" not in fit("train.decoupled=true", workload=FEW).changed


@pytest.mark.parametrize("pictures", [20, 176, 450, 1_300, 5_400, 9_000])
def test_a_classifier_of_few_pictures_takes_about_a_minute(pictures: int) -> None:
    workload = FEW._replace(pictures=pictures)
    changed = fit(workload=workload).changed
    epochs = changed.get("train.epochs", (24, 24))[1]
    assert workload._replace(flops=64_000_000).work(epochs) <= max(WORK, 12 * 3 * 64e6 * pictures)
    assert changed.get("train.batch", (250, 250))[1] <= pictures or pictures < 32


def test_many_pictures_change_nothing() -> None:
    assert fit(workload=Workload(45_000, 32, 64_000_000, classifier=True)).changed == {}


def test_a_typed_option_stays() -> None:
    found = fit("train.batch=100", "data.size=64", workload=FEW)
    assert not {"train.batch", "data.size", "train.lr"} & found.changed.keys()
    assert {"train.batch", "data.size"} <= set(found.held)
    found = fit("train.minutes=1", workload=FEW)
    assert "train.epochs" not in found.changed


def test_an_entry_on_its_own_pictures_stays(home: Path) -> None:
    for words in ([], ["data.limit=100"], ["data.kind=digits"], ["train.lr=0.01"]):
        assert fit_to_pictures(load_entry("cnn", words), FEW).changed == {}


def test_what_the_users_own_registry_says_stays(home: Path) -> None:
    (home / "registry.yaml").write_text(
        "version: 1\nentries:\n  mine:\n    extends: cnn\n    train: {epochs: 7, batch: 100}\n", encoding="utf-8"
    )
    found = fit(workload=FEW, entry="mine")
    assert not {"train.batch", "train.epochs"} & found.changed.keys()
    assert "data.size" in found.changed


def test_stages_follow_too() -> None:
    found = fit(workload=Workload(100, 8, 10_000_000, classifier=False), entry="vq-vae").changed
    assert found["train.batch"] == (125, 32)
    assert found["train.stages.codec.epochs"][1] > 40 and found["train.stages.prior.epochs"][1] > 60


def test_the_run_keeps_and_tells_what_followed(home: Path, folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(folder(cat=30, dog=30))
    entry, said = train(capsys, "cnn", "--data", own, "train.epochs=2", *SMALL)
    assert entry["train"]["batch"] == 32 and entry["train"]["epochs"] == 2
    (line,) = [line for line in said.splitlines() if "train.batch 250 -> 32" in line]
    assert "set them to choose yourself" in line and "epochs" not in line
    evaluated = zoo.evaluate("cnn")
    assert evaluated.run.name == "cnn-1" and 0 <= evaluated.metrics["accuracy"] <= 1


def test_larger_pictures_are_made_smaller_and_evaluated_so(
    home: Path, folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.training.fit_to_pictures.WORK", 1.0)
    own = folder(side=40, cat=20, dog=20)
    entry, said = train(capsys, "cnn", "--data", str(own), "train.epochs=1", *SMALL)
    assert entry["data"]["size"] == 32 and "data.size" in said
    assert zoo.load("cnn").info.shape == (3, 32, 32)
    assert zoo.evaluate("cnn").metrics["accuracy"] >= 0
    assert len(zoo.predict("cnn", [own / "cat" / "0.png"]).predictions) == 1


def test_an_interrupted_run_goes_on_with_its_values(
    home: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cnn", "--data", str(folder(cat=30, dog=30)), "train.epochs=2", *SMALL]
    entry, _ = train(capsys, *words)
    run = zoo.load("cnn")
    run.update(state="interrupted")
    again, said = train(capsys, *words)
    assert again == entry and "train.batch 250 -> 32" in said
    assert not Path("runs", "cnn-2").exists()
    run.update(state="interrupted")
    other, _ = train(capsys, *words, "train.batch=250")
    assert other["train"]["batch"] == 250 and Path("runs", "cnn-2").exists()
    zoo.load("cnn-2").update(state="interrupted")
    run.update(state="done")
    third, _ = train(capsys, *words)
    assert third["train"]["batch"] == 32 and Path("runs", "cnn-3").exists()


def test_variants_of_a_comparison_are_trained_alike(
    home: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.training.fit_to_pictures.STEPS", 40)
    words = [word for word in SMALL if not word.startswith("model.first")]
    words += ["model.first=4,6", "data.kind=folder", f'data.path="{folder(cat=40, dog=40)}"']
    found = zoo.compare("cnn", *words)
    entries = [json.loads((run / "entry.json").read_text("utf-8")) for run in found.path.glob("*-seed0")]
    assert [entry["train"]["epochs"] for entry in entries] == [40, 40]
    assert {entry["model"]["first"] for entry in entries} == {4, 6}
    assert zoo.compare("cnn", *words).path == found.path


@pytest.mark.parametrize(
    ("typed", "expected"), [([], "16..128 log"), (["tune.space.train.batch=100..200"], "100..200")]
)
def test_a_study_searches_the_batch_around_the_fitted_one(home: Path, typed: list[str], expected: str) -> None:
    words = ["data.kind=folder", "data.path=own", *typed]
    raw = load_registry()[0].resolve("cnn", words)
    entry = load_entry("cnn", words)
    space = Space.of(raw, entry, entry.tune.space)
    fitted = fit_to_pictures(entry, FEW)
    assert fit_space(space, fitted, fitted.apply(entry)).describe()["train.batch"] == expected


def test_few_steps_and_rare_classes_are_said(home: Path, folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(folder(cat=60, dog=10))
    _, said = train(capsys, "cnn", "--data", own, "train.epochs=2", *SMALL)
    (steps,) = [line for line in said.splitlines() if "few steps" in line]
    assert "train.epochs=" in steps
    (rare,) = [line for line in said.splitlines() if line.startswith("rare:")]
    assert "'dog' has 7 training pictures" in rare and "'cat' has 42" in rare


def test_a_generator_that_is_far_from_trained_is_said(
    home: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    own = str(folder(cat=20, dog=20))
    words = ["model.width=8", "prior.layers=1", "prior.width=8", "train.epochs=1"]
    _, said = train(capsys, "vae-nf", "--data", own, *words)
    (line,) = [line for line in said.splitlines() if "few steps" in line]
    assert "less than 1,000" in line and "train.epochs=1000" in line
