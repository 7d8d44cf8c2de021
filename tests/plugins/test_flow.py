"""The prior `flow`: invertible with an exact log-determinant, and conditional."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from priors import (
    check_autocast,
    check_far_out,
    check_integral,
    check_kl_gradient,
    check_lengths,
    check_samples,
    check_saved,
    check_seed,
    check_shapes,
    check_temperature,
    made,
)
from torch import Tensor
from zoo_priors.flow import ZUKO_CLASSES, Flow
from zoo_priors.spec import FlowSpec

from zoo import CodeInfo
from zoo.models.prior import Term, single_term
from zoo.registry.catalog import catalog
from zoo.testing.densities import check_kl

SHAPES = [(1,), (5,), (3, 2, 2)]
OWN = ["coupling", "spline", "linear", "transformer"]
"""Architectures that need no extra; the weights of the zoo's own bound what they do, however wild."""
ZUKO = [f"zuko:{name}" for name in ZUKO_CLASSES]
DEAR = ("transformer", "zuko:NSF")
every = pytest.mark.parametrize("architecture", OWN + ZUKO)
heavy = pytest.mark.parametrize("tails", [False, True])
shaped = pytest.mark.parametrize("shape", SHAPES)


def make(*shape: int, wild: float = 0.3, **options: Any) -> Flow:
    """One whose weights are random throughout."""
    if str(options.get("architecture")).startswith("zuko"):
        pytest.importorskip("zuko")
        wild /= 10
    if options.get("architecture") == "spline":
        wild /= 3  # splines of wild slopes are as exact in double precision, but not in single
    torch.manual_seed(0)
    flow = Flow(FlowSpec(**options), CodeInfo(shape, condition=3))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=wild)
    return flow.eval()


def conditions(count: int) -> Tensor:
    """Classes, mixtures and differences of them."""
    return torch.cat([torch.eye(3), torch.tensor([[0.5, 0.5, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]])]).repeat(
        -(-count // 6), 1
    )[:count]


def check_inverse(flow: Flow, shape: tuple[int, ...]) -> None:
    """There and back in either precision; an error counts relative to codes beyond 1."""
    z, t = 3 * torch.randn(60, *shape), conditions(60)
    with torch.no_grad():
        u, _ = flow.to_base(z, t)
        assert ((flow.from_base(u, single_term(t)) - z) / (1 + z.abs())).abs().max() < 1e-4
        assert not torch.allclose(u.reshape(z.shape), z, atol=0.1), "it does something"
        flow.double()
        u, _ = flow.to_base(z.double(), t)
        assert (flow.from_base(u, single_term(t)) - z).abs().max() < 1e-10


def check_log_determinant(flow: Flow, shape: tuple[int, ...]) -> None:
    """It is that of autograd's Jacobian."""
    flow, size = flow.double(), math.prod(shape)
    z, t = torch.randn(6, *shape, dtype=torch.float64), conditions(6)
    _, found = flow.to_base(z, t)
    for place in range(6):
        row = t[place : place + 1]
        matrix = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
            lambda code, row=row: flow.to_base(code, row)[0][0], z[place : place + 1]
        )
        assert found[place].item() == pytest.approx(matrix.reshape(size, size).slogdet().logabsdet.item(), abs=1e-9)


@shaped
@heavy
@every
def test_the_inverse_is_one(architecture: str, tails: bool, shape: tuple[int, ...]) -> None:
    check_inverse(make(*shape, architecture=architecture, tails=tails), shape)


@shaped
@heavy
@every
def test_the_log_determinant_is_autograds(architecture: str, tails: bool, shape: tuple[int, ...]) -> None:
    check_log_determinant(make(*shape, architecture=architecture, tails=tails), shape)


@shaped
def test_one_layer_is_accepted(shape: tuple[int, ...]) -> None:
    check_inverse(make(*shape, layers=1), shape)
    check_log_determinant(make(*shape, layers=1), shape)
    check_inverse(make(*shape, architecture="transformer", blocks=1, depth=1, token=4), shape)


@shaped
@heavy
@every
def test_every_learnt_number_gets_a_gradient(architecture: str, tails: bool, shape: tuple[int, ...]) -> None:
    flow = make(*shape, architecture=architecture, tails=tails)
    flow.log_prob(torch.randn(60, *shape), conditions(60)).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in flow.named_parameters():
        if "embedding" in name and math.prod(shape) == 1:
            continue  # there is no token before the only one
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all() and parameter.grad.any()), name


@heavy
@pytest.mark.parametrize("architecture", ["coupling", "linear", pytest.param("transformer", marks=pytest.mark.slow)])
def test_it_keeps_what_every_prior_promises(architecture: str, tails: bool) -> None:
    kind = catalog().find("prior", "flow")[1]
    spec = kind.spec(architecture=architecture, tails=tails, width=16, layers=4, heads=2, blocks=2, depth=1)
    check_kl(made(kind, spec, 6), 4000)
    for check in (check_shapes, check_kl_gradient, check_far_out, check_temperature, check_seed):
        check(made(kind, spec, 6))
    check_autocast(made(kind, spec, 6))
    check_integral(made(kind, spec, 1), 2e-3 if tails else 1e-4)
    check_samples(made(kind, spec, 1))
    check_lengths(made(kind, spec, 4))
    check_saved(made(kind, spec, 3, 2, 2), kind.build(spec, CodeInfo((3, 2, 2), condition=2)).eval())


@heavy
@every
def test_it_is_built_without_weights_on_the_meta_device(architecture: str, tails: bool) -> None:
    make(2, architecture=architecture)
    with torch.device("meta"):
        flow = Flow(FlowSpec(architecture=architecture, tails=tails), CodeInfo((4, 2, 2), condition=2))
        assert flow.log_prob(torch.zeros(3, 4, 2, 2), torch.zeros(3, 2)).shape == (3,)
    assert {parameter.device.type for parameter in flow.parameters()} == {"meta"}


def test_half_of_one_class_and_half_of_another_is_the_mean_of_their_contexts() -> None:
    flow, like = make(4), torch.zeros(1, 4)
    a, b, both = (flow.context(like, torch.tensor([t])) for t in ([1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]))
    torch.testing.assert_close(both, (a + b) / 2)
    assert not flow.context(like, None).any()
    assert a.any()


@heavy
@every
def test_guidance_goes_on_from_no_class_through_the_class(architecture: str, tails: bool) -> None:
    flow, u, t = make(4, architecture=architecture, tails=tails), torch.randn(5, 4), torch.eye(3)[[0, 1, 2, 0, 1]]
    further = flow.from_base(u, [Term(1.5, t), Term(-0.5, None)])
    assert not torch.allclose(further, flow.from_base(u, single_term(t)), atol=0.01)
    assert flow.multiplies == (architecture == "transformer")
    if not flow.multiplies:
        torch.testing.assert_close(further, flow.from_base(u, single_term(1.5 * t)))


def test_classes_are_hidden_in_training_alone() -> None:
    flow = make(4, label_dropout=0.25)
    z, t = torch.randn(1, 4).expand(4000, -1), torch.tensor([[1.0, 0, 0]]).expand(4000, -1)
    hidden = flow.log_prob(z[:1])
    assert not (flow.log_prob(z, t) == hidden).any()
    flow.train()
    torch.manual_seed(1)
    assert (flow.log_prob(z, t) - hidden).abs().lt(1e-4).float().mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=[pytest.mark.slow] * (name in DEAR)) for name in OWN + ZUKO]
)
def test_it_learns_what_each_class_looks_like(architecture: str) -> None:
    make(2, architecture=architecture)
    torch.manual_seed(0)
    spec = FlowSpec(architecture=architecture, width=32, layers=4, blocks=2, depth=1)
    flow = Flow(spec, CodeInfo((2,), condition=3))
    y = torch.arange(3).repeat(300)
    centres = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 0.0]])
    z, t = centres[y] + 0.2 * torch.randn(900, 2), torch.eye(3)[y]
    adam = torch.optim.Adam(flow.parameters(), 0.01)
    for _ in range(200):
        adam.zero_grad()
        (-flow.log_prob(z, t).mean()).backward()  # type: ignore[no-untyped-call]
        adam.step()
    flow.eval()
    entropy = math.log(2 * math.pi * math.e * 0.04)
    assert -flow.log_prob(z, t).mean().item() < entropy + 0.3
    # Without a class it is all of them, and better than one normal distribution.
    if architecture != "linear":
        normal = math.log(2 * math.pi * math.e) + z.T.cov().logdet().item() / 2
        assert entropy + 0.5 < -flow.log_prob(z).mean().item() < normal - 0.2
    drawn = flow.sample(900, t)
    assert (drawn - centres[y]).norm(dim=1).quantile(0.95) < 1.0
