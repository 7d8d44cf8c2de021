"""Limits of FLOPs and latency: counted as `zoo show` counts, measured without a trace, and refused before training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import zoo
from zoo.core.errors import BudgetError
from zoo.core.types import DataInfo
from zoo.models.base import Model
from zoo.registry.build import build_model
from zoo.registry.entry import Entry
from zoo.registry.listing import load_entry
from zoo.registry.model_size import Count
from zoo.training import limits
from zoo.training.callbacks import Callback
from zoo.training.limits import Latency, LimitError, Limits, measure_latency, summarise
from zoo.training.session import Session

CPU = torch.device("cpu")
INFO = DataInfo.of((1, 8, 8), tuple("0123456789"))
SMALL = ["data.kind=digits", "data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=1"]
pytestmark = pytest.mark.usefixtures("home")


def session(entry: Entry, allowed: Limits, folder: str = "run") -> Session:
    """A training within limits."""
    Path(folder).mkdir()
    return Session(entry, Path(folder), CPU, Callback(), "zoo train", "start again", allowed)


def test_flops_are_those_of_zoo_show() -> None:
    flops = zoo.show("cnn", SMALL).flops
    assert flops
    entry = load_entry("cnn", SMALL)
    with pytest.raises(LimitError) as caught:
        session(entry, Limits(flops=flops - 1)).train(None)
    assert caught.value.what == "flops" and caught.value.excess == pytest.approx(1 / (flops - 1))
    assert "MFLOP per picture exceed the budget of" in str(caught.value)
    assert not list(Path("run").iterdir())
    assert session(entry, Limits(flops=flops), "other").train(None).state == "done"


def test_what_cannot_be_counted_is_refused() -> None:
    count = Count(10, None, True, True)
    Limits(parameters=10).check_size(count)
    with pytest.raises(LimitError, match="cannot be counted"):
        Limits(flops=10).check_size(count)
    with pytest.raises(BudgetError):
        Limits(parameters=9).check_size(count)


def test_a_model_that_is_too_slow_is_refused_and_a_quick_one_is_recorded() -> None:
    entry = load_entry("cnn", SMALL)
    with pytest.raises(LimitError, match=r"ms per picture exceed the budget of 1e-06"):
        session(entry, Limits(latency=1e-6)).train(None)
    assert not list(Path("run").iterdir())
    free, limited = (
        session(entry, each, name).train(None) for name, each in (("a", Limits()), ("b", Limits(latency=1e6)))
    )
    assert "latency" not in free.record and limited.record["latency"]["milliseconds"] > 0
    assert free.record["weights_sha256"] == limited.record["weights_sha256"]


@pytest.mark.parametrize("name", ["cnn", "vae-nf", "vq-vae"])
def test_measuring_leaves_no_trace(name: str) -> None:
    torch.manual_seed(1)
    model = build_model(load_entry(name), INFO)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, modes = torch.get_rng_state(), [module.training for module in model.modules()]
    assert measure_latency(model, INFO, CPU).milliseconds > 0
    assert torch.equal(torch.get_rng_state(), state) and [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_noisy_round_is_repeated_and_the_quickest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, noisy = [0.004] * 8, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.003]
    assert summarise(quiet) == Latency(4.0, 0.0) and summarise(noisy).noise > limits.NOISY
    rounds: list[list[float]] = []
    monkeypatch.setattr(limits, "time_passes", lambda forward, device: rounds.pop(0))
    model: Model = build_model(load_entry("cnn", SMALL), INFO)
    rounds[:] = [quiet, noisy]
    assert measure_latency(model, INFO, CPU) == Latency(4.0, 0.0) and len(rounds) == 1
    rounds[:] = [noisy, [2 * each for each in noisy], noisy]
    assert measure_latency(model, INFO, CPU) == summarise(noisy) and not rounds
