"""The importance-weighted bound, against linear models whose likelihood is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from zoo_metrics import zoo_metrics

from zoo import CodeInfo, DataInfo
from zoo.data.dataset import Pictures
from zoo.evaluation.evaluate import compute_outputs
from zoo.models.generator import Generator
from zoo.models.latent import LatentModel, dequantise, fixed_seed
from zoo.models.prior import Posterior, Prior
from zoo.registry.kinds import Outputs

INFO = DataInfo.of((1, 4, 4), ("a", "b"))
NOISE = 0.15
KIND = next(kind for kind in zoo_metrics() if kind.name == "iwae")


class Linear(LatentModel):
    """Pictures are 0.5 + W z and noise, with orthogonal columns in W; the posterior may be off on purpose."""

    def __init__(self, off: float, wider: float) -> None:
        super().__init__()
        self.code, self.off, self.wider = CodeInfo((3,)), off, wider
        columns = torch.linalg.qr(torch.randn(16, 3, generator=torch.Generator().manual_seed(0))).Q
        self.weight = nn.Parameter(columns * torch.tensor([0.5, 0.3, 0.2]))

    def encode(self, x: Tensor) -> Posterior:
        """The posterior under N(0, I), wherever the prior is."""
        precision = 1 + self.weight.square().sum(0) / NOISE**2
        mean = (x.flatten(1) - 0.5) @ self.weight / NOISE**2 / precision
        return Posterior(mean + self.off, (precision.log() / -2 + math.log(self.wider)).expand_as(mean))

    def decode(self, code: Tensor) -> Tensor:
        return 0.5 + (code @ self.weight.T).view(-1, 1, 4, 4)

    def distortion(self, x: Tensor, shown: Tensor) -> Tensor:
        nats = (x - shown).square() / (2 * NOISE**2) + math.log(NOISE) + math.log(2 * math.pi) / 2
        return nats.flatten(1).sum(1)


class Moved(Prior):
    """N(0, I), or for each class around another place."""

    def __init__(self, code: CodeInfo, apart: float) -> None:
        super().__init__(code)
        self.conditional, self.apart = apart > 0, apart

    def centre(self, condition: Tensor | None) -> Tensor:
        return torch.zeros(3) if condition is None else self.apart * condition[:, 1:].expand(-1, 3)

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        off = code - self.centre(condition)
        return -(off.square() + math.log(2 * math.pi)).sum(1) / 2


def model(off: float = 0.0, wider: float = 1.0, apart: float = 0.0) -> Generator:
    codec = Linear(off, wider)
    return Generator(codec, Moved(codec.code, apart), INFO).eval()


def pictures(count: int = 200) -> Pictures:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(count, 3, generator=draw) * 0.3 @ torch.randn(3, 16, generator=draw) + 0.5
    return Pictures((x.clamp(0, 1) * 255).byte().view(-1, 1, 4, 4), torch.arange(count) % 2)


def bound(made: Generator, shown: Pictures, draws: int) -> dict[str, Any]:
    before = torch.get_rng_state()
    found = KIND.compute(KIND.spec(draws=draws), Outputs(made, INFO, shown, {}, None))
    assert torch.equal(before, torch.get_rng_state())
    assert found is not None
    return dict(found)


@torch.no_grad()
def exact(made: Generator, shown: Pictures) -> float:
    """Bits a number of pictures, which are normal around W times the prior's centre."""
    codec, prior = made.codec, made.prior
    assert isinstance(codec, Linear) and isinstance(prior, Moved)
    with fixed_seed(torch.device("cpu")):
        x = dequantise(shown.x.float() / 255).flatten(1).double()
    weight = codec.weight.double()
    centre = 0.5 + prior.centre(made.condition(shown.y)).double() @ weight.T
    covariance = weight @ weight.T + NOISE**2 * torch.eye(16).double()
    density = torch.distributions.MultivariateNormal(torch.zeros(16).double(), covariance)
    nats = density.log_prob(x - centre).mean().item()  # type: ignore[no-untyped-call]
    return float(8 - nats / (16 * math.log(2)))


def test_with_the_true_posterior_one_draw_is_exact() -> None:
    found = bound(model(), pictures(), 1)
    assert found["iwae"] == pytest.approx(exact(model(), pictures()), abs=1e-5)
    assert bound(model(), pictures(), 50)["iwae_gap"] == pytest.approx(0, abs=1e-5)


def test_it_is_the_loss_but_tighter() -> None:
    made = model(off=0.3, wider=1.3)
    loss = compute_outputs(made, pictures(), INFO, torch.device("cpu")).means["loss"]
    found = bound(made, pictures(), 100)
    assert found["iwae"] < loss - 0.01
    assert found["iwae"] + found["iwae_gap"] == pytest.approx(loss, abs=0.03)


def test_many_draws_reach_the_likelihood() -> None:
    made = model(off=0.3, wider=1.3)
    true = exact(made, pictures())
    few, many = bound(made, pictures(), 10), bound(made, pictures(), 1000)
    assert bound(made, pictures(), 1)["iwae_gap"] == 0
    assert many["iwae"] == pytest.approx(true, abs=1e-3)
    assert few["iwae"] > many["iwae"] > true - 1e-3
    assert many["iwae_gap"] > few["iwae_gap"] > 0


def test_a_prior_that_takes_classes_gets_them() -> None:
    made = model(wider=1.2, apart=0.5)
    assert bound(made, pictures(), 1000)["iwae"] == pytest.approx(exact(made, pictures()), abs=2e-3)


def test_the_same_numbers_each_time() -> None:
    made = model(off=0.2)
    assert bound(made, pictures(), 20) == bound(made, pictures(), 20)


def test_of_many_pictures_some_of_all_parts_are_looked_at() -> None:
    """A split may hold its pictures class by class; here the second half is what no code explains."""
    shown = pictures(1000)
    shown.x[500:] = shown.x[500:].flip(0) // 255 * 255
    made = model(off=0.1)
    found, half = bound(made, shown, 5), bound(made, Pictures(shown.x[::2], shown.y[::2]), 5)
    assert found == half
    assert found != bound(made, Pictures(shown.x[:500], shown.y[:500]), 5)


def test_code_words_have_no_such_bound() -> None:
    made = model()
    made.codec.code = CodeInfo((3,), words=7)
    assert KIND.compute(KIND.spec(), Outputs(made, INFO, pictures(), {}, None)) is None
