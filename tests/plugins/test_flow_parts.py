"""The parts that the architectures of the prior `flow` are made of: tails, products, matrices, tokens and zuko."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
from priors import hill
from pydantic import ValidationError
from scipy.special import log_ndtr
from torch import Tensor
from zoo_priors.autoregression import Layout, product_of_normals
from zoo_priors.coupling import MAX_NORM, limit_spectral_norm, unique_rows
from zoo_priors.flow import Flow
from zoo_priors.spec import FlowSpec
from zoo_priors.tails import Tails, inverse_neg_log_erfc, neg_log_erfc

from zoo import CodeInfo
from zoo.core.errors import MissingError, ZooError
from zoo.models.prior import Term


def make(*shape: int, **options: Any) -> Flow:
    """One in float64 whose weights are random throughout."""
    torch.manual_seed(0)
    flow = Flow(FlowSpec(**options), CodeInfo(shape, condition=3)).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return flow.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neg_log_erfc_is_accurate_for_large_u_and_inverts(dtype: torch.dtype) -> None:
    u = torch.cat([torch.zeros(1, dtype=dtype), torch.logspace(-3, 3, 50, dtype=dtype)])
    exact = -log_ndtr(-u.double().numpy()) - math.log(2)
    rtol, atol = (1e-6, 1e-6) if dtype == torch.float32 else (1e-12, 1e-14)
    np.testing.assert_allclose(neg_log_erfc(u).numpy(), exact, rtol=rtol, atol=atol)
    torch.testing.assert_close(inverse_neg_log_erfc(torch.from_numpy(exact).to(dtype)), u, rtol=2 * rtol, atol=2 * atol)


@pytest.mark.parametrize("raw", [-2.0, 0.0, 2.0])
def test_tails_have_their_index(raw: float) -> None:
    torch.manual_seed(0)
    tails = Tails(1)
    with torch.no_grad():
        tails.weights.copy_(torch.tensor([[raw], [-4.0]]))
    below, above = (tails.weight(torch.tensor([[sign]])).item() for sign in (-1.0, 1.0))
    z = tails.from_base(torch.randn(2_000_000, 1), []).flatten().detach()
    assert below > above
    # The closed form falls like a power only up to the constant 1 that it subtracts, which shows where tails are light.
    scale = tails.raw.exp().item()
    for side, weight in ((-z[z < 0], below), (z[z > 0], above)):
        assert hill(side + scale / weight, 2000) == pytest.approx(1 / weight, rel=0.1)


def test_tails_are_finite_and_exact_far_out() -> None:
    tails = Tails(1)
    z = torch.logspace(-3, 30, 60)[:, None] * torch.tensor([[1.0], [-1.0]]).repeat(30, 1)
    u, log_det = tails.to_base(z, z)
    torch.testing.assert_close(tails.from_base(u, []), z, rtol=1e-4, atol=1e-6)
    assert bool(torch.isfinite(log_det).all())
    assert bool(torch.isfinite(tails.from_base(torch.tensor([[1e4], [-1e4]]), [])).all())


def test_products_are_those_of_starflow_under_guidance() -> None:
    torch.manual_seed(0)
    mean, log_std, w = torch.randn(2, 50, 3), torch.randn(2, 50, 3), 1.5
    (mu_c, mu_u), (sig_c, sig_u) = mean, log_std.exp()
    s = (sig_c / sig_u).clamp(max=1).square()
    found = product_of_normals([1 + w, -w], mean, log_std)
    torch.testing.assert_close(found[0], ((1 + w) * mu_c - w * s * mu_u) / (1 + w - w * s), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], sig_c / (1 + w - w * s).sqrt())
    torch.testing.assert_close(product_of_normals([1.0], mean[:1], log_std[:1]), (mu_c, sig_c))


@pytest.mark.parametrize("tails", [False, True])
def test_a_transformer_of_one_token_draws_from_the_very_product_of_its_densities(tails: bool) -> None:
    flow = make(2, architecture="transformer", blocks=1, token=2, tails=tails)
    a, b, _ = torch.eye(3, dtype=torch.float64).unsqueeze(1)
    terms, rest = [Term(0.6, a), Term(0.3, b), Term(0.1, None)], []
    for u in torch.randn(6, 1, 2, dtype=torch.float64):
        z = flow.from_base(u, terms)
        slope = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
            lambda base: flow.from_base(base, terms)[0], u
        )
        drawn = -u.square().sum() / 2 - slope[:, 0].slogdet().logabsdet
        rest.append((drawn - sum(term.weight * flow.log_prob(z, term.condition) for term in terms)).item())
    assert rest == pytest.approx([rest[0]] * 6, abs=1e-9)


def test_a_vector_is_cut_into_about_eight_tokens_and_a_map_into_its_places() -> None:
    def cut(*shape: int, token: int | None = None) -> Layout:
        return Layout.of(CodeInfo(shape), token)

    assert [cut(size) for size in (1, 7, 16, 17, 36)] == [(1, 1), (1, 7), (2, 8), (1, 17), (4, 9)]
    assert [cut(12, token=token) for token in (1, 5, 12, 50)] == [(1, 12), (4, 3), (12, 1), (12, 1)]
    assert cut(3, 2, 5, token=1) == (3, 10)
    assert cut(16, 1, 1) == (2, 8)


@pytest.mark.parametrize("size", [1, 16, 64])
@pytest.mark.parametrize("strength", [0.0, 0.1, 1.0, 100.0])
def test_matrices_are_tamed(size: int, strength: float) -> None:
    torch.manual_seed(0)
    spread = torch.diag_embed(torch.randn(9, size))
    for wild in (torch.randn(9, size, size), spread):
        found = limit_spectral_norm(strength * wild)
        assert bool((torch.linalg.matrix_norm(found, 2) < MAX_NORM + 1e-3).all())
    small = 0.4 * MAX_NORM * torch.eye(16)[None]
    torch.testing.assert_close(limit_spectral_norm(small), small, rtol=2e-3, atol=0)


def test_matrices_are_made_once_for_each_context() -> None:
    a, b = torch.randn(2, 4)
    rows, which = unique_rows(torch.stack([a, b, a, a]))
    assert rows.shape == (2, 4)
    assert torch.equal(rows[which], torch.stack([a, b, a, a]))


def test_conditions_add_up_in_the_matrix() -> None:
    flow, u = make(3, architecture="linear"), torch.randn(1, 3, dtype=torch.float64)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.mul_(0.1)

    def jacobian(condition: Tensor) -> Tensor:
        found = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
            lambda base: flow.from_base(base, [Term(1.0, condition)])[0], u
        )
        slope: Tensor = found[:, 0]
        return slope

    a, b, _ = torch.eye(3, dtype=torch.float64).unsqueeze(1)
    logs = [jacobian(t).slogdet().logabsdet.item() for t in (a, b, (a + b) / 2)]
    assert logs[2] == pytest.approx((logs[0] + logs[1]) / 2, abs=1e-6)


@pytest.mark.parametrize("architecture", ["", "realnvp", "zuko", "zuko:", "zuko:N SF", "coupling:2"])
def test_architectures_have_names(architecture: str) -> None:
    with pytest.raises(ValidationError):
        FlowSpec(architecture=architecture)


def test_heads_must_divide_the_width_of_a_transformer_alone() -> None:
    assert FlowSpec(width=90).width == 90
    with pytest.raises(ValidationError, match="width must be a multiple of heads, 4"):
        FlowSpec(architecture="transformer", width=90)


def test_zuko_is_an_extra_and_has_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZooError, match=r"no architecture zuko:Nope; choose MAF, NICE, NSF"):
        make(2, architecture="zuko:Nope")
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(MissingError, match=r'zuko:NSF needs zuko; pip install "pixel-zoo\[zuko\]"'):
        make(2, architecture="zuko:NSF")
