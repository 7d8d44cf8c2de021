"""What every prior promises, as checks of a prior over continuous codes that is ready for use."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from scipy.stats import ks_2samp, kstest
from torch import Tensor

from zoo.core.spec import Spec
from zoo.core.tensor_files import unshare_memory
from zoo.core.types import CodeInfo, DataInfo
from zoo.models.prior import Posterior, Prior
from zoo.registry.kinds import PriorKind
from zoo.testing.building import randomize
from zoo.testing.densities import Encoder, posteriors

INFO = DataInfo.of((1, 4, 4), ("a", "b"))
SURE = 1e-3
"""A p-value below this is a failure."""
ERRORS = 4
"""Standard errors by which an estimate may be off."""


def made(kind: PriorKind[Any], spec: Spec, *shape: int) -> Prior:
    """A prior over codes of that shape, attached to a toy encoder, its learnt numbers away from where they began."""
    torch.manual_seed(0)
    code = CodeInfo(shape, condition=len(INFO.classes))
    prior = kind.build(spec, code)
    prior.attach(Encoder(code, INFO).requires_grad_(False).encode, INFO)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return prior.eval()


def drawn(spec: type[Spec], seed: int) -> Spec:
    """A spec at a random point of its search space."""
    return randomize(spec(), random.Random(seed))


def check_shapes(prior: Prior) -> None:
    """Codes go in and out in their shape; each gets a number of nats."""
    torch.manual_seed(1)
    q = posteriors(prior, 5)
    z, kl = prior.sample(7), prior.kl(q)
    assert z.shape == (7, *prior.code.shape) and z.dtype == torch.float32 and not z.requires_grad
    assert prior.log_prob(z).shape == (7,)
    assert kl.value.shape == q.entropy().shape == (5,)
    assert kl.kind in {"exact", "upper bound", "quadrature", "monte carlo"}
    assert bool(torch.isfinite(kl.value).all() and torch.isfinite(prior.log_prob(z)).all())
    assert torch.allclose(prior.log_prob(z), prior.log_prob(z, torch.zeros(7, len(INFO.classes))))


def check_kl_gradient(prior: Prior, step: float = 1e-4) -> None:
    """Gradients are the slopes of the value, for the same draws where it is drawn; in float64."""
    torch.manual_seed(3)
    prior = prior.double()
    inputs = [part.double().requires_grad_() for part in posteriors(prior)]
    gradients = torch.autograd.grad(seeded_kl(prior, Posterior(*inputs)).sum(), inputs)
    for place, gradient in enumerate(gradients):
        way = torch.randn_like(gradient)
        up, down = (
            seeded_kl(prior, Posterior(*(part + sign * step * way * (n == place) for n, part in enumerate(inputs))))
            for sign in (1, -1)
        )
        slope = (up - down).sum() / (2 * step)
        torch.testing.assert_close((gradient * way).sum(), slope, rtol=1e-4, atol=1e-4)


def check_far_out(prior: Prior) -> None:
    """Values and gradients stay finite far out, at 0 and for extreme deviations."""
    places = torch.tensor([0.0, 1e-6, 1.0, -1e2, 1e4, -1e4]).view(-1, *[1] * len(prior.code.shape))
    code = places.expand(-1, *prior.code.shape).clone().requires_grad_()
    check_finite(prior, lambda: prior.log_prob(code), code)
    for std in (1e-6, 1e-3, 1.0, 1e3):
        log_std = torch.full_like(code, math.log(std)).requires_grad_()
        check_finite(prior, lambda log_std=log_std: prior.kl(Posterior(code, log_std)).value, code, log_std)  # type: ignore[misc]


def check_finite(prior: Prior, value: Callable[[], Tensor], *inputs: Tensor) -> None:
    """The value and its gradients are finite."""
    wanted = [*inputs, *(parameter for parameter in prior.parameters() if parameter.requires_grad)]
    found = value()
    assert bool(torch.isfinite(found).all()), found
    for gradient in torch.autograd.grad(found.sum(), wanted):
        assert bool(torch.isfinite(gradient).all()), gradient


def line(points: int = 20_001) -> np.ndarray[Any, Any]:
    """Numbers that crowd at 0 and reach 1e9 on either side."""
    half = np.exp(np.linspace(math.log(1e-9), math.log(1e9), points))
    return np.concatenate([-half[::-1], half])


@torch.no_grad()
def distribution(prior: Prior) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Places and the integral of the density up to them, for codes of one number."""
    z = line()
    density = prior.log_prob(torch.from_numpy(z).float().view(-1, *prior.code.shape)).double().exp().numpy()
    steps = np.diff(z) * (density[1:] + density[:-1]) / 2
    return z, np.concatenate([[0.0], steps.cumsum()])


def check_integral(prior: Prior, tail: float = 1e-4) -> None:
    """The density of codes of one number integrates to 1, up to what lies beyond 1e9."""
    _, total = distribution(prior)
    assert abs(total[-1] - 1) < tail, total[-1]


def check_samples(prior: Prior, count: int = 20_000) -> None:
    """Drawn codes of one number follow the density (Kolmogorov and Smirnov)."""
    torch.manual_seed(4)
    z, total = distribution(prior)
    found = kstest(prior.sample(count).flatten().double().numpy(), lambda x: np.interp(x, z, total))
    assert found.pvalue > SURE, found


@torch.no_grad()
def check_lengths(prior: Prior, count: int = 4000, steps: int = 60) -> None:
    """Drawn codes of many numbers follow the density: Metropolis steps for the density leave their lengths alone."""
    torch.manual_seed(5)
    still, z = prior.sample(count), prior.sample(count)
    unit = z.abs().median()
    before = prior.log_prob(z)
    accepted = torch.zeros(count)
    for _ in range(steps):
        size = unit * torch.exp(torch.empty(count, *[1] * (z.ndim - 1)).uniform_(math.log(0.05), math.log(2)))
        trial = z + size * torch.randn_like(z)
        after = prior.log_prob(trial)
        take = torch.rand(count).log() < after - before
        z[take], before[take] = trial[take], after[take]
        accepted += take
    assert accepted.mean() > 0.05 * steps, "the steps hardly move"
    found = ks_2samp(lengths(still).numpy(), lengths(z).numpy())
    assert found.pvalue > SURE, found


@torch.no_grad()
def check_normalised(prior: Prior, count: int = 100_000) -> None:
    """The mean of q / p over drawn codes is 1 for a normal q: the density has its constant in any dimension."""
    torch.manual_seed(6)
    z = prior.sample(count)
    centre, std = z.flatten(1).median(0).values, z.abs().median().item()
    q = torch.distributions.Normal(centre, std)
    log_q: Tensor = q.log_prob(z.flatten(1)).sum(1)  # type: ignore[no-untyped-call]
    ratio = (log_q - prior.log_prob(z)).double().exp()
    error = ratio.std().item() / math.sqrt(count)
    assert error < 0.2
    assert abs(ratio.mean().item() - 1) < ERRORS * error, (ratio.mean().item(), error)


def check_temperature(prior: Prior) -> None:
    """Colder codes are likelier and less varied; at 1 nothing is changed."""
    found = {}
    for temperature in (1.0, 0.5):
        torch.manual_seed(7)
        z = prior.sample(4000, temperature=temperature)
        found[temperature] = prior.log_prob(z).mean().item(), lengths(z - z.median(0).values).median().item()
    assert found[0.5][0] > found[1.0][0] and found[0.5][1] < found[1.0][1], found
    torch.manual_seed(7)
    assert torch.equal(prior.sample(10, temperature=1.0), same(prior, 7, 10))


def same(prior: Prior, seed: int, count: int) -> Tensor:
    """Codes drawn from that seed."""
    torch.manual_seed(seed)
    return prior.sample(count)


def check_seed(prior: Prior) -> None:
    """The same seed draws the same codes, another one others."""
    assert torch.equal(same(prior, 8, 20), same(prior, 8, 20))
    assert not torch.equal(same(prior, 8, 20), same(prior, 9, 20))


def check_saved(prior: Prior, fresh: Prior) -> None:
    """A prior that is filled with the saved weights of another is the same prior."""
    fresh.load_state_dict(load(save(unshare_memory(prior.state_dict()))))
    z = same(prior, 10, 20)
    assert torch.equal(prior.log_prob(z), fresh.log_prob(z))
    assert torch.equal(same(fresh, 10, 20), z)


def check_autocast(prior: Prior) -> None:
    """Under autocast a prior computes as exactly as without, also from bfloat16."""
    torch.manual_seed(11)
    q = posteriors(prior, 200)
    z = q.sample()
    half = Posterior(*(part.bfloat16() for part in q))
    plain = prior.log_prob(z.bfloat16().float()), seeded_kl(prior, Posterior(*(part.float() for part in half)))
    with torch.autocast("cpu", torch.bfloat16):
        found = prior.log_prob(z.bfloat16()), seeded_kl(prior, half)
    for one, other in zip(plain, found, strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def seeded_kl(prior: Prior, q: Posterior) -> Tensor:
    """The divergence, its draws from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        return prior.kl(q).value


def lengths(z: Tensor) -> Tensor:
    """|z| (N,) of codes."""
    return z.flatten(1).double().square().sum(1).sqrt()


def hill(sizes: Tensor, most: int) -> float:
    """The tail index that the largest sizes show (Hill 1975, doi:10.1214/aos/1176343247)."""
    top = sizes.double().sort(descending=True).values[: most + 1]
    return 1 / (top[:-1] / top[-1]).log().mean().item()
