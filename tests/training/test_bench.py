"""`zoo bench` runs both loops and its figures agree with each other; how fast they are is not a test's business."""

from __future__ import annotations

import time

import pytest
import torch

import zoo
from zoo.training import bench


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_the_figures_agree() -> None:
    small = ("model.blocks=2", "model.first=8", "model.last=16", "train.batch=64")
    found = zoo.bench("cnn", *small, device="cpu", seconds=2)
    assert found.achieved_flops is not None
    assert found.training_flops_per_picture is not None
    assert found.pictures_per_second > 0
    assert found.eager_pictures_per_second > 0
    assert found.achieved_flops == pytest.approx(found.training_flops_per_picture * found.pictures_per_second, rel=1e-2)
    assert found.share_of_peak == pytest.approx(found.achieved_flops / found.matmul_peak_flops, abs=1e-2)
    assert found.training_flops_per_picture > 2 * (zoo.show("cnn", small).flops or 0), (
        "a training step has a backward pass too"
    )


def test_the_time_is_shared_by_all_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def takes(seconds: float) -> bench.Step:
        def step() -> None:
            clock[0] += seconds

        return step

    rounds = bench.measure_rounds(takes(0.02), takes(0.01), 10, torch.device("cpu"), 4.0)
    assert clock[0] - 100 == pytest.approx(4, rel=0.1)
    assert len(rounds) == bench.ROUNDS
    assert all(pair == pytest.approx((500, 1000)) for pair in rounds)
    clock[0] = 100.0
    rounds = bench.measure_rounds(takes(1.0), takes(0.9), 10, torch.device("cpu"), 4.0)
    assert len(rounds) == 3 and clock[0] - 100 == pytest.approx(3 * 1.9), "slow steps: rounds of a step each"


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_four_seconds_take_about_four_seconds() -> None:
    small = ("model.blocks=2", "model.first=8", "model.last=16", "train.batch=64", "data.limit=200")
    zoo.bench("cnn", *small, device="cpu", seconds=0.1)  # imports and builds what is then cached
    start = time.perf_counter()
    zoo.bench("cnn", *small, device="cpu", seconds=4)
    assert 3 < time.perf_counter() - start < 9, "twice as much on a busy machine"
