"""Trainings with further augmentations: mixed labels, refusals, and the same result after a kill at any step."""

from __future__ import annotations

import random

import pytest
import torch
from interrupting import Interrupt

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.core.errors import InterruptedRun
from zoo.core.types import Batch
from zoo.registry.entry import restore_entry
from zoo.registry.listing import load_entry
from zoo.training.stepper import split_batch

pytestmark = pytest.mark.usefixtures("home")


def test_unused_further_augmentations_leave_entry_and_hash_as_they_were() -> None:
    entry = load_entry("cnn")
    assert "then" not in entry.dump()["train"]["augment"]
    assert load_entry("cnn", ["train.augment.then=none"]).hash() == entry.hash()
    assert load_entry("cnn", ["train.augment.then=cutout"]).hash() != entry.hash()


def test_all_ways_to_write_a_list_mean_the_same() -> None:
    wanted = load_entry("cnn", ["train.augment.then=mixup p=0.5 alpha=0.3, flip alternate=true, kornia:RandomErasing"])
    assert wanted.train.augment.then == (
        {"kind": "mixup", "p": 0.5, "alpha": 0.3},
        {"kind": "flip", "p": 0.5, "axis": "horizontal", "alternate": True},
        {"kind": "kornia", "p": 1.0, "operation": "RandomErasing", "options": {}},
    )
    for text in (
        "[{kind: mixup, p: 0.5, alpha: 0.3}, flip alternate=true, {kind: kornia, operation: RandomErasing}]",
        "{mixup: {p: 0.5, alpha: 0.3}, flip: {alternate: true}, 'kornia:RandomErasing': {}, cutout: null}",
    ):
        assert load_entry("cnn", [f"train.augment.then={text}"]).hash() == wanted.hash()
    assert restore_entry(wanted.dump()).hash() == wanted.hash()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mixupp", "no augment kind 'mixupp'"),
        ("mixup alpha=0", "cnn.train.augment.then.mixup.alpha: input should be greater than 0"),
        ("mixup beta=1", "cnn.train.augment.then.mixup.beta is not an option"),
        ("mixup, p=0.5", "'p=0.5' names no augmentation"),
        ("mixup 0.5", "'0.5' is not an option of mixup"),
        ("[3]", "each augmentation should be a name or a mapping"),
        ("kornia", "cnn.train.augment.then.kornia.operation is required"),
        ("7", "should be a list of augmentations"),
    ],
)
def test_a_mistake_in_the_list_is_one_clear_line(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cnn", f"train.augment.then={text}"]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.strip().splitlines()) <= 2


def test_models_that_do_not_learn_from_mixed_labels_refuse_them(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "show", "tune"):
        assert main([command, "vae-nf", "train.augment.then=affine,cutmix"]) == 2
        said = capsys.readouterr().err
        assert "cutmix mixes labels, from which only classifiers learn" in said
    assert main(["show", "vae-nf", "train.augment.then=affine"]) == 0


def test_an_augmentation_that_does_not_fit_the_pictures_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cnn", *TINY, "train.augment.then=colour-jitter hue=0.1"]) == 2
    assert "hue needs pictures with 3 channels" in capsys.readouterr().err


def test_a_run_keeps_its_augmentations_and_trains_with_mixed_labels() -> None:
    zoo.train("cnn", *TINY, "train.augment.then=crop pad=1, mixup, cutmix p=0.5", out="mixed")
    zoo.train("cnn", *TINY, out="plain")
    runs = [zoo.load(name) for name in ("mixed", "plain")]
    assert [item["kind"] for item in runs[0].entry.train.augment.then] == ["crop", "mixup", "cutmix"]
    losses = [run.log()[-1]["train"]["loss"] for run in runs]
    assert losses[0] != losses[1]


def test_accumulated_gradients_of_mixed_labels_are_those_of_the_whole_batch() -> None:
    batch = Batch(torch.rand(6, 1, 8, 8), torch.arange(6) % 2, 0.5, torch.rand(6, 2))
    parts = split_batch(batch, 4)
    assert sum(len(part.y) for part in parts) == 6
    assert batch.targets is not None
    assert torch.equal(torch.cat([part.labels for part in parts]), batch.targets)


KINDS = {
    "crop": ["", "pad=2 fill=reflect"],
    "flip": ["alternate=true", "axis=vertical p=0.3"],
    "affine": ["degrees=30"],
    "cutout": ["size=3"],
    "colour-jitter": ["contrast=0.8"],
    "mixup": ["p=0.4", "alpha=1"],
    "cutmix": [""],
    "trivial-augment": [""],
}


@pytest.mark.parametrize("seed", range(3))
def test_a_training_with_any_augmentations_goes_on_bit_for_bit_wherever_it_was_stopped(seed: int) -> None:
    chance = random.Random(seed)
    chosen = chance.sample(sorted(KINDS), 4)
    items = ", ".join(f"{kind} {chance.choice(KINDS[kind])}".strip() for kind in chosen)
    options = (*TINY[:-1], "train.epochs=2", "train.batch=50", f"train.augment.then={items}")
    whole = zoo.train("cnn", *options, out="whole")
    steps = 2 * (200 * 7 // 10 // 50)
    for step in chance.sample(range(1, steps), 2):
        with pytest.raises(InterruptedRun):
            zoo.train("cnn", *options, out=f"broken-{step}", callback=Interrupt(step))
        resumed = zoo.train("cnn", *options, out=f"broken-{step}")
        assert resumed.weights_sha256 == whole.weights_sha256, items
