"""The prior `flow`: invertible with an exact log-determinant, and conditional."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_priors.flow import Flow
from zoo_priors.flowspec import FlowSpec

from zoo import CodeInfo, DataInfo
from zoo.errors import ZooError
from zoo.prior import Posterior

INFO = DataInfo((1, 4, 4), ("a", "b", "c"), (0.5,), (0.2,))
SHAPES = [(1,), (2,), (5,), (3, 2, 2)]


def make(*shape: int, wild: float = 0.3, **options: Any) -> Flow:
    """One whose weights are random throughout."""
    torch.manual_seed(0)
    flow = Flow(FlowSpec(**options), CodeInfo(shape))
    flow.attach(no_posterior, INFO)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=wild)
    return flow.eval()


def no_posterior(x: Tensor) -> Posterior:
    """What a flow does not ask for."""
    raise AssertionError


def conditions(count: int) -> Tensor:
    """Classes, mixtures and differences of them."""
    return torch.cat([torch.eye(3), torch.tensor([[0.5, 0.5, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]])]).repeat(
        -(-count // 6), 1
    )[:count]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layers", [1, 8])
def test_the_inverse_is_one(shape: tuple[int, ...], layers: int) -> None:
    flow = make(*shape, layers=layers)
    z, t = 3 * torch.randn(60, *shape), conditions(60)
    with torch.no_grad():
        u, _ = flow.to_base(z, t)
        assert (flow.from_base(u, t) - z).abs().max() < 1e-4
        assert not torch.allclose(u.reshape(z.shape), z, atol=0.1), "it does something"
        flow.double()
        u, _ = flow.to_base(z.double(), t)
        assert (flow.from_base(u, t) - z).abs().max() < 1e-10


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layers", [1, 8])
def test_the_log_determinant_is_autograds(shape: tuple[int, ...], layers: int) -> None:
    flow, size = make(*shape, layers=layers).double(), math.prod(shape)
    z, t = torch.randn(6, *shape, dtype=torch.float64), conditions(6)
    _, found = flow.to_base(z, t)
    for place in range(6):
        one = t[place : place + 1]
        matrix = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
            lambda code, one=one: flow.to_base(code, one)[0][0], z[place : place + 1]
        )
        assert found[place].item() == pytest.approx(matrix.reshape(size, size).slogdet().logabsdet.item(), abs=1e-9)


def test_half_of_one_class_and_half_of_another_is_the_mean_of_their_contexts() -> None:
    flow, like = make(4), torch.zeros(1, 4)
    a, b, both = (flow.context(like, torch.tensor([t])) for t in ([1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]))
    torch.testing.assert_close(both, (a + b) / 2)
    assert not flow.context(like, None).any()
    assert a.any()


def test_classes_are_hidden_in_training_alone() -> None:
    flow = make(4, label_dropout=0.25)
    like, t = torch.zeros(4000, 4), torch.tensor([[1.0, 0, 0]]).expand(4000, -1)
    assert flow.context(like, t).any(1).all()
    flow.train()
    torch.manual_seed(1)
    assert flow.context(like, t).any(1).float().mean().item() == pytest.approx(0.75, abs=0.03)


def test_it_learns_what_each_class_looks_like() -> None:
    torch.manual_seed(0)
    flow = Flow(FlowSpec(width=32, layers=4), CodeInfo((2,)))
    flow.attach(no_posterior, INFO)
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
    normal = math.log(2 * math.pi * math.e) + z.T.cov().logdet().item() / 2
    assert entropy + 0.5 < -flow.log_prob(z).mean().item() < normal - 0.2
    drawn = flow.sample(900, t)
    assert (drawn - centres[y]).norm(dim=1).quantile(0.95) < 1.0


def test_without_classes_it_says_what_is_missing() -> None:
    with pytest.raises(ZooError, match="call its `attach` first"):
        Flow(FlowSpec(), CodeInfo((2,))).sample(1)
