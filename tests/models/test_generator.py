"""Training losses of generators, converted to the units of the validation metrics."""

from __future__ import annotations

import re

import pytest
import torch

from zoo.cli import main
from zoo.core.types import Batch, DataInfo
from zoo.models.generator import Generator
from zoo.registry.build import build_model
from zoo.registry.listing import load_entry
from zoo.training.callbacks import ProgressCallback

pytestmark = pytest.mark.usefixtures("home")


def generator(name: str) -> Generator:
    torch.manual_seed(0)
    model = build_model(load_entry(name), DataInfo((1, 8, 8), tuple("0123456789"), (0.3,), (0.4,)))
    assert isinstance(model, Generator)
    return model


def test_the_training_loss_is_in_bits_per_dimension_like_the_validation_loss() -> None:
    model = generator("vae")
    given = Batch((torch.rand(200, 1, 8, 8) * 255).round() / 255, torch.arange(200) % 10)
    losses = {name: value.item() for name, value in model.stages()[0].losses(given).items()}
    valid = model.metrics(given)["loss"].item()
    assert sum(losses.values()) < valid - 4, "nats per dimension of pictures with values 0..1 are much less"
    assert model.comparable_losses(losses) == {"loss": pytest.approx(valid, abs=0.2)}


def test_a_stage_that_trains_a_part_shows_that_part_in_nats_per_picture() -> None:
    model = generator("vq-vae")
    given = Batch((torch.rand(50, 1, 8, 8) * 255).round() / 255, torch.arange(50) % 10)
    valid = {name: value.item() for name, value in model.metrics(given).items()}
    for stage, part in zip(model.stages(), ("distortion", "rate"), strict=True):
        losses = {name: value.item() for name, value in stage.losses(given).items()}
        found = model.comparable_losses(losses)
        assert found == {part: pytest.approx(valid[part], rel=0.1)}
        row = {"train": losses, "valid": valid, "shown": found, "best": True, "epoch": 1}
        progress = ProgressCallback("vq-vae")
        progress.epoch(row)
        shown = [text.split()[0] for text in progress.format_metrics(row)]
        assert shown[:2] == [part, "vloss"] and f"v{part}" in shown and shown.count(part) == 1


def test_both_losses_are_near_each_other_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data.kind=digits", "data.limit=150", "train.epochs=2", "train.batch=30", "--device", "cpu"]
    assert main(["train", "vae", *words]) == 0
    (found,) = re.findall(r"epoch 2/2: loss ([\d.]+), vloss ([\d.]+), ", capsys.readouterr().err)
    train, valid = map(float, found)
    assert abs(train - valid) < 0.5 * valid
