"""The weights that come with the zoo: every file is opened, loaded and small, and some are used."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import zoo_weights

import zoo
from zoo.registry.catalog import ShippedWeights
from zoo.registry.plugins.discover import Plugin
from zoo.registry.weights import Weights
from zoo.runs.shipped import is_stale, open_shipped

pytestmark = pytest.mark.usefixtures("home")
FOLDER = Path(zoo_weights.__file__).parent
MAX_BYTES = 15_000_000
NAMES = {f"{entry}@{data}" for entry in ("cnn", "judge", "teacher") for data in ("digits", "cifar10")}
NAMES |= {"vae-nf@digits", "vae-nf-shapes@shapes", "vae-nf-cifar10@cifar10"}
ALL = Weights.read_index(FOLDER)
OWN = Plugin("weights", "pixel-zoo", zoo.__version__)


def test_the_files_are_small_and_each_is_listed_once() -> None:
    files = list((FOLDER / "files").iterdir())
    assert sum(file.stat().st_size for file in files) < MAX_BYTES
    assert sorted(files) == sorted(Path(str(each.file)) for each in ALL)
    assert {x.name for x in ALL} >= NAMES


@pytest.mark.parametrize("weights", ALL, ids=lambda each: each.name)
def test_every_file_opens_and_belongs_to_the_entry_as_it_is_now(weights: Weights) -> None:
    run = open_shipped(ShippedWeights(weights, OWN))
    model = run.model()
    assert sum(each.numel() for each in model.parameters()) >= (weights.parameters or 0) > 0
    assert run.label == weights.name
    assert not is_stale(weights)
    assert weights.license == "mit" and weights.source and weights.metrics
    assert len(weights.pictures) == 3


@pytest.mark.parametrize("weights", ALL, ids=lambda each: each.name)
def test_no_file_names_a_path_of_the_machine_that_made_it(weights: Weights) -> None:
    with zipfile.ZipFile(str(weights.file)) as archive:
        names = [name for name in archive.namelist() if name.endswith((".json", ".jsonl", ".md"))]
        texts = {name: archive.read(name).decode() for name in names}
    assert {"run.json", "entry.json", "manifest.json", "README.md"} <= texts.keys()
    folders = [f"/{folder}/" for folder in ("tmp", "work", "home", "root", "Users")]
    assert not [name for name, text in texts.items() if any(folder in text for folder in folders)]


@pytest.mark.slow  # a kernel is compiled
@pytest.mark.parametrize("name", ["cnn@digits", "judge@digits", "teacher@digits"])
def test_they_are_as_good_as_the_index_says(name: str) -> None:
    weights = next(each for each in ALL if each.name == name)
    found = zoo.evaluate(open_shipped(ShippedWeights(weights, OWN)), device="cpu")
    assert found.metrics["accuracy"] == pytest.approx(weights.metrics["accuracy"], abs=0.001)
    assert not list(FOLDER.rglob("evaluation"))


def test_a_generator_draws_from_them() -> None:
    weights = next(each for each in ALL if each.name == "vae-nf@digits")
    drawn = zoo.sample(open_shipped(ShippedWeights(weights, OWN)), ["3", "3 + 8"], 4, device="cpu")
    assert len(drawn.pictures) == 4
