"""A training step: gradients of several batches, float16 with its scale, and the schedule wsd."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from tests.conftest import TINY
from tests.training.test_loop import Recorder
from zoo.core.errors import InterruptedRun, JobError
from zoo.core.sections import StageSpec
from zoo.core.types import Batch, Losses
from zoo.models.base import Model
from zoo.models.device import autocast_type, best_precision
from zoo.training.schedule import Schedule
from zoo.training.stepper import Stepper, split_batch

PLAIN = (*TINY, "model.norm=none", "train.augment.pad=0")


class Net(Model):
    """A small network without statistics of batches, whose loss may be made to overflow."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
        self.factor = 1.0

    def losses(self, batch: Batch) -> Losses:
        scores = self.net(batch.x).float()
        return {"entropy": nn.functional.cross_entropy(scores, batch.y) * self.factor, "size": scores.square().mean()}


def batch(count: int = 13) -> Batch:
    draw = torch.Generator().manual_seed(1)
    return Batch(torch.rand(count, 1, 4, 4, generator=draw), torch.randint(0, 3, (count,), generator=draw))


def stepper(model: Net, autocast: torch.dtype | None = None, **options: Any) -> Stepper:
    spec = StageSpec(epochs=1, warmup=0, **options)
    stage = model.stages()[0]
    return Stepper(model, stage, spec, 10, autocast, torch.contiguous_format, list(model.parameters()))


def weights(model: Net) -> Tensor:
    return torch.cat([value.detach().flatten() for value in model.parameters()])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
@pytest.mark.parametrize("parts", [2, 5, 40])
def test_several_batches_a_step_have_the_mean_gradient_of_the_large_one(optimizer: str, parts: int) -> None:
    found = []
    for count in (1, parts):
        model = Net()
        each = stepper(model, optimizer=optimizer, lr=0.01, accumulate=count, clip=0.5)
        for number in range(3):
            each.step(batch(), number)
        found.append((weights(model), each.losses(3)))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


def test_a_batch_is_split_into_parts_without_empty_ones() -> None:
    assert [len(part.y) for part in split_batch(batch(), 4)] == [4, 3, 3, 3]
    assert [len(part.y) for part in split_batch(batch(2), 4)] == [1, 1]


def test_a_training_that_accumulates_is_that_of_the_larger_batch(home: Path) -> None:
    words = (*PLAIN, "train.epochs=3")
    zoo.train("cnn", *words, "train.batch=80", out="large")
    zoo.train("cnn", *words, "train.batch=20", "train.accumulate=4", out="parts")
    for one, other in zip(zoo.load("large").log(), zoo.load("parts").log(), strict=True):
        assert one["train"] == pytest.approx(other["train"], rel=1e-4)
        assert one["lr"] == other["lr"]


def test_wsd_stays_at_the_peak_and_falls_to_zero_at_the_end() -> None:
    schedule = Schedule(StageSpec(schedule="wsd", warmup=0.1, cooldown=0.25), 1000)
    assert schedule.factor(0) < 0.02
    assert {schedule.factor(step) for step in range(120, 745)} == {1.0}
    assert schedule.factor(874) == pytest.approx(0.5, abs=0.01) and 0 < schedule.factor(999) < 0.01
    assert Schedule(StageSpec(schedule="wsd"), 1000).factor(899) == pytest.approx(0.5, abs=0.01), "a fifth by default"
    schedule.share = 0.9
    assert schedule.factor(3) == pytest.approx(0.4), "with a clock it goes by the share of the time"


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_an_overflow_in_float16_skips_the_step_and_halves_the_scale(optimizer: str) -> None:
    model = Net()
    each = stepper(model, torch.float16, optimizer=optimizer, lr=0.01, clip=1.0)
    scaler = each.scaler
    assert scaler is not None
    first, scale = weights(model), scaler.scale.item()
    model.factor = 1e9
    each.step(batch(), 0)
    assert torch.equal(weights(model), first) and scaler.scale.item() == scale / 2
    assert all(not value.any() for value in each.optimizers.state().values()), "momentum is not touched either"
    model.factor = 1.0
    each.step(batch(), 1)
    assert not torch.equal(weights(model), first) and weights(model).isfinite().all()
    assert scaler.scale.item() == scale / 2


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_a_step_in_float16_does_not_wait_for_the_device(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Net()
    model.net.insert(1, nn.Conv2d(4, 4, 1))  # a layer between the first and the last, which Muon is for
    each = stepper(model, torch.float16, optimizer=optimizer, lr=0.01)
    before = weights(model)
    with monkeypatch.context() as patched:
        for name in ("item", "__bool__", "__float__"):
            patched.setattr(Tensor, name, lambda *_: pytest.fail("waits"))
        each.optimizers.step(1.0, torch.ones(()))
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        each.optimizers.step(1.0, torch.ones(()))
    assert torch.equal(weights(model), before)
    each.optimizers.step(1.0, torch.zeros(()))
    assert not torch.equal(weights(model), before)


def test_the_scale_grows_after_many_good_steps_and_ends_a_training_that_never_fits() -> None:
    model = Net()
    each = stepper(model, torch.float16)
    assert each.scaler is not None
    each.scaler.good.fill_(1999)
    before = each.scaler.scale.item()
    each.step(batch(), 0)
    assert each.scaler.scale.item() == 2 * before and each.scaler.good.item() == 0
    each.scaler.scale.fill_(2.0**-20)
    with pytest.raises(JobError, match=r"do not fit float16; set train\.precision=float32"):
        each.check(0, 1)


def test_float16_steps_are_those_of_float32_but_for_rounding() -> None:
    plain, half = Net(), Net()
    for model, autocast in ((plain, None), (half, torch.float16)):
        each = stepper(model, autocast, optimizer="sgd", lr=0.01)
        for number in range(5):
            each.step(batch(), number)
    assert torch.allclose(weights(plain), weights(half), atol=2e-3)
    assert not torch.equal(weights(plain), weights(half))


@pytest.mark.parametrize(
    "words",
    [
        ("train.optimizer=adamw",),
        ("train.optimizer=sgd", "train.lr=0.05", "train.clip=1"),
        ("train.optimizer=muon", "train.lr=0.01"),
    ],
)
def test_float16_learns_on_the_cpu_and_goes_on_bit_for_bit(home: Path, words: tuple[str, ...]) -> None:
    options = (*TINY, "train.batch=40", "train.precision=float16", "train.epochs=3", *words)
    whole = zoo.train("cnn", *options, out="whole")
    rows = zoo.load("whole").log()
    assert rows[-1]["train"]["loss"] < rows[0]["train"]["loss"]
    with pytest.raises(InterruptedRun):
        zoo.train("cnn", *options, out="broken", callback=Recorder(5))
    state = json.loads((Path("broken/state/manifest.json")).read_text(encoding="utf-8"))
    assert state["files"]
    assert zoo.train("cnn", *options, out="broken").weights_sha256 == whole.weights_sha256
    assert math.isfinite(zoo.evaluate("whole", split="valid").metrics["loss"])


def test_the_precision_follows_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    assert autocast_type(torch.device("cpu"), "float16") == torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    for capability, expected in (((7, 5), "float16"), ((6, 1), "float32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, found=capability: found)
        assert best_precision(cuda) == expected
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert autocast_type(cuda, "auto") == torch.bfloat16
