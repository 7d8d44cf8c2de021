"""Averages of the weights: lookahead, to which the weights return."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

import zoo
from tests.conftest import TINY
from zoo.core.errors import ZooError
from zoo.core.sections import StageSpec
from zoo.training.ema import Lookahead, make_average
from zoo.training.schedule import Schedule


def test_weights_return_to_their_average_every_few_steps() -> None:
    module = nn.Linear(1, 1, bias=False)
    weight = module.weight.data.fill_(0.0)
    average = Lookahead(module, every=2)
    for step, value, after in ((0, 1.0, 1.0), (1, 2.0, 2.0 * (1 - 0.95**2 * 0.5**3)), (2, 5.0, 5.0)):
        weight.fill_(value)
        average.update(step, done=0.5)
        assert weight.item() == pytest.approx(after)
    with average.swapped_in():
        assert weight.item() == pytest.approx(2.0 * (1 - 0.95**2 * 0.5**3)), "the average is what is evaluated"
    assert weight.item() == 5.0


def test_the_average_is_restored() -> None:
    module = nn.BatchNorm2d(3)
    average, other = Lookahead(module, 5), Lookahead(nn.BatchNorm2d(3), 5)
    module.running_mean.fill_(2.0)  # type: ignore[union-attr]
    average.update(4, 0.5)
    other.load(average.state())
    assert all(map(torch.equal, other.average, average.average))
    assert {"running_mean", "running_var"} <= set(average.state()), "statistics are averaged too"


def test_one_average_at_most() -> None:
    module = nn.Linear(1, 1)
    assert make_average(module, StageSpec()) is None
    assert isinstance(make_average(module, StageSpec(lookahead=5)), Lookahead)
    with pytest.raises(ValidationError, match="set one of them"):
        StageSpec(lookahead=5, ema=0.9)


def test_a_triangular_schedule_rises_to_its_peak_and_falls() -> None:
    schedule = Schedule(StageSpec(schedule="triangular", warmup=0.25), steps=99)
    found = [schedule.factor(step) for step in range(99)]
    assert found[24] == pytest.approx(1.0) == max(found)
    assert found[0] == pytest.approx(0.2 + 0.8 * 0.01 / 0.25)
    assert found[-1] == pytest.approx(0.07 + 0.93 * 0.01 / 0.75)
    assert all(a < b for a, b in pairwise(found[:25]))
    assert all(a > b for a, b in pairwise(found[24:]))


def test_a_lookahead_longer_than_the_training_is_refused(home: Path) -> None:
    with pytest.raises(ZooError, match=r"train\.lookahead=9000 is more than the"):
        zoo.train("cnn", *TINY, "train.ema=0", "train.lookahead=9000", device="cpu")
