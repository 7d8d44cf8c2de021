"""Rates and weight decay by kind of parameter, decoupled weight decay, and which parameters are those of a norm."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from zoo.core.sections import StageSpec
from zoo.training.optim import Optimizers, inner_matrices


class Net(nn.Module):
    """A matrix, a bias, and a scale and a bias of normalisation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
        nn.init.constant_(self.norm.bias, 1.0)
        nn.init.constant_(self.layer.bias, 1.0)


def moved(factor: float = 1.0, gradient: float = 1.0, **options: Any) -> dict[str, torch.Tensor]:
    """How far one step moves each parameter of which all gradients are the same."""
    net = Net()
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    optimizers = Optimizers(net, StageSpec.model_validate({"optimizer": "sgd", "momentum": 0.0, "lr": 0.1} | options))
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, gradient)
    optimizers.step(factor)
    return {name: before[name] - value.detach() for name, value in net.named_parameters()}


def expect(value: torch.Tensor, expected: Any) -> None:
    torch.testing.assert_close(value, torch.as_tensor(expected).expand_as(value))


def test_rates_by_kind() -> None:
    found = moved(factor=0.5, weight_decay=0.0, lr_bias=2.0, lr_norm=64.0)
    expect(found["layer.weight"], 0.05)
    expect(found["layer.bias"], 0.1)
    expect(found["norm.weight"], 3.2)
    expect(found["norm.bias"], 3.2)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_by_kind(optimizer: str) -> None:
    found = moved(gradient=0.0, optimizer=optimizer, weight_decay=0.1, decay_bias=0.5, decay_norm=2.0)
    expect(found["layer.weight"], 0.1 * 0.1 * Net().layer.weight.detach())
    expect(found["layer.bias"], 0.1 * 0.1 * 0.5)
    expect(found["norm.bias"], 0.1 * 0.1 * 2.0)
    expect(moved(gradient=0.0, optimizer=optimizer, weight_decay=0.1)["norm.bias"], 0.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_decoupled_weight_decay_does_not_depend_on_the_rate(optimizer: str) -> None:
    options = {"optimizer": optimizer, "weight_decay": 0.1, "decoupled": True, "decay_norm": 1.0}
    for rate in (0.1, 1e-3):
        found = moved(factor=0.5, gradient=0.0, lr=rate, lr_norm=64.0, **options)
        expect(found["layer.weight"], 0.05 * Net().layer.weight.detach())
        expect(found["norm.bias"], 0.05)
        expect(found["layer.bias"], 0.0)


def test_a_parameter_without_a_gradient_stays() -> None:
    net = Net()
    options = {"optimizer": "sgd", "weight_decay": 0.1, "decoupled": True, "decay_bias": 1.0}
    optimizers = Optimizers(net, StageSpec.model_validate(options))
    net.layer.weight.grad = torch.zeros_like(net.layer.weight)
    optimizers.step(1.0)
    expect(net.layer.bias.detach(), 1.0)
    assert not torch.equal(net.layer.weight.detach(), Net().layer.weight.detach())


class Exempting(Net):
    """Exempts its matrix from weight decay."""

    def no_weight_decay(self) -> set[str]:
        return {"layer.w*", "norm.bias"}


@pytest.mark.parametrize("decoupled", [None, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_modules_exempt_parameters_from_weight_decay(optimizer: str, decoupled: bool | None) -> None:
    layers = nn.Sequential(*(nn.Linear(3, 3) for _ in range(3)))  # the middle one is what Muon is for
    net = nn.ModuleDict({"outer": layers, "exempt": Exempting()})
    layers[1].no_weight_decay = lambda: {"weight"}  # type: ignore[assignment]
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    options = {"optimizer": optimizer, "lr": 0.1, "weight_decay": 0.1, "decoupled": decoupled}
    each = Optimizers(net, StageSpec.model_validate(options))
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    each.step(1.0)
    moved = {name for name, value in net.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"outer.0.weight", "outer.2.weight"}
    assert all(group["lr"] == 0.1 for one in each.all for group in one.param_groups)


def test_a_rate_by_kind_and_one_for_loaded_weights_multiply() -> None:
    net = Net()
    spec = StageSpec.model_validate({"optimizer": "sgd", "lr": 0.1, "lr_norm": 64.0, "lr_mult": 0.5})
    rates = {
        id(p): group["lr"]
        for each in Optimizers(net, spec, [net.norm.bias]).all
        for group in each.param_groups
        for p in group["params"]
    }
    assert rates[id(net.norm.bias)] == pytest.approx(3.2)
    assert rates[id(net.norm.weight)] == pytest.approx(6.4)
    assert rates[id(net.layer.bias)] == pytest.approx(0.1)


def test_unused_options_leave_the_groups_as_they_were() -> None:
    (each,) = Optimizers(Net(), StageSpec(optimizer="sgd", weight_decay=0.1)).all
    assert [(len(group["params"]), group["weight_decay"]) for group in each.param_groups] == [(1, 0.1), (3, 0.0)]
    dumped = StageSpec().model_dump()
    assert not {"lr_bias", "lr_norm", "decay_bias", "decay_norm", "decoupled", "lookahead"} & set(dumped)


def test_muon_leaves_out_the_first_and_last_layer_of_each_network() -> None:
    class Apart(nn.Sequential):
        own_network = True

    def layers() -> list[nn.Module]:
        return [nn.Linear(3, 3) for _ in range(4)]

    net = nn.ModuleDict({"own": nn.Sequential(*layers()), "judge": Apart(*layers())})
    chosen = {id(parameter) for parameter in inner_matrices(net)}
    names = [name for name, parameter in net.named_parameters() if id(parameter) in chosen]
    assert names == ["own.1.weight", "own.2.weight", "judge.1.weight", "judge.2.weight"]
    assert inner_matrices(net["own"]) == inner_matrices(net)[:2]
    assert inner_matrices(net["judge"]) == inner_matrices(net)[2:]
