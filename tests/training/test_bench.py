"""`zoo bench` runs both loops and its figures agree with each other; how fast they are is not a test's business."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

import zoo
from zoo.core.types import Batch
from zoo.data.dataset import Splits
from zoo.models.base import Model
from zoo.registry.build import build_data, build_for
from zoo.registry.entry import Entry
from zoo.registry.listing import load_entry
from zoo.training import bench
from zoo.training.stepper import Stepper

CPU = torch.device("cpu")


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


TINY = ("model.blocks=2", "model.first=4", "model.last=4", "train.batch=50", "data.limit=200", "train.compile=off")


@pytest.mark.usefixtures("home")
def test_frozen_parameters_cost_no_gradients() -> None:
    whole, frozen = (load_entry("cnn", [*TINY, *more]) for more in ((), ("train.freeze=blocks.*",)))
    splits, _ = build_data(whole.data)
    assert 0 < (bench.step_flops(frozen, splits) or 0) < 0.6 * (bench.step_flops(whole, splits) or 0)


@pytest.mark.usefixtures("home")
def test_both_loops_leave_what_is_frozen_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[Model] = []

    def build(entry: Entry, splits: Splits) -> Model:
        models.append(build_for(entry, splits))
        return models[-1]

    monkeypatch.setattr(bench, "build_for", build)
    entry = load_entry("cnn", [*TINY, "train.freeze=blocks.*"])
    splits, _ = build_data(entry.data)
    loops: list[Callable[[], bench.Step]] = [
        lambda: bench.trainer_loop(entry, splits, CPU)[0],
        lambda: bench.plain_loop(entry, splits, CPU),
    ]
    for prepare in loops:
        step = prepare()
        before = {name: value.clone() for name, value in models[-1].state_dict().items()}
        step()
        changed = {name for name, value in models[-1].state_dict().items() if not torch.equal(value, before[name])}
        assert changed and not any(name.startswith("blocks.") for name in changed)


@pytest.mark.usefixtures("home")
def test_the_fast_loop_is_as_reproducible_as_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    within: list[bool] = [False]

    @contextmanager
    def noted(device: torch.device) -> Iterator[None]:
        within.append(True)
        yield
        within.append(False)

    monkeypatch.setattr(bench, "reproducible", noted)
    steps: list[bool] = []

    def step(self: Stepper, batch: Batch, number: int) -> None:
        steps.append(within[-1])
        real(self, batch, number)

    real = Stepper.step
    monkeypatch.setattr(Stepper, "step", step)
    zoo.bench("cnn", *TINY, device="cpu", seconds=0.1)
    assert steps and all(steps) and not within[-1]


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_four_seconds_take_about_four_seconds() -> None:
    small = ("model.blocks=2", "model.first=8", "model.last=16", "train.batch=64", "data.limit=200")
    zoo.bench("cnn", *small, device="cpu", seconds=0.1)  # imports and builds what is then cached
    start = time.perf_counter()
    zoo.bench("cnn", *small, device="cpu", seconds=4)
    assert 3 < time.perf_counter() - start < 9, "twice as much on a busy machine"


FLOW = ("model.form=map", "prior.architecture=matching", "prior.joint=false", "prior.width=8", "prior.layers=1")


@pytest.mark.usefixtures("home")
def test_any_stage_can_be_measured() -> None:
    more = ("train.batch=16", "data.limit=64", "train.compile=off")
    stages: dict[str | None, tuple[str, ...]] = {None: (), "prior": ("train.stages.prior.cache=true",)}
    found = [
        zoo.bench("vae-nf", *FLOW, *more, *own, device="cpu", seconds=0.2, stage=stage) for stage, own in stages.items()
    ]
    assert [each.stage for each in found] == ["codec", "prior"]
    codec, prior = (each.training_flops_per_picture or 0 for each in found)
    assert 0 < prior < codec, "the small network of the flow alone, since the codes are kept"
    with pytest.raises(zoo.ZooError, match="no stage 'priors'"):
        zoo.bench("vae-nf", *FLOW, stage="priors")
