"""The normal prior (Kingma & Welling 2013, arXiv:1312.6114), the Laplace and the generalised normal prior."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo import CodeInfo
from zoo.models import Exactness, Posterior, VectorPrior
from zoo_priors.quadrature import normal_expectation
from zoo_priors.scale import Scale
from zoo_priors.spec import GeneralizedNormalSpec, LaplaceSpec, NormalSpec
from zoo_priors.tails import neg_log_erfc, signs


class Normal(VectorPrior):
    """N(0, scale^2 I)."""

    def __init__(self, spec: NormalSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.scale = Scale(spec.scale, spec.learn_scale)

    def energy(self, squares: Tensor) -> Tensor:
        """Compute the negative log-density (N,) from z^2 (N, D)."""
        constant = self.scale.log() + math.log(2 * math.pi) / 2
        return (squares / (2 * self.scale.value().square()) + constant).sum(1)

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z.square())

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        return temperature * scale * torch.randn(n, self.code.size, device=scale.device)

    @property
    def noise_size(self) -> int:
        return self.code.size

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        return (self.scale.value() * noise).reshape(noise.shape[0], *self.code.shape)

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return self.energy(q.mean.square() + (2 * q.log_std).exp()), "exact"


class Laplace(VectorPrior):
    """Independent dimensions with density exp(-|z| / scale) / (2 scale)."""

    def __init__(self, spec: LaplaceSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.scale = Scale(spec.scale, spec.learn_scale)

    def energy(self, lengths: Tensor) -> Tensor:
        """Compute the negative log-density (N,) from |z| (N, D)."""
        return (lengths / self.scale.value() + self.scale.log() + math.log(2)).sum(1)

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z.abs())

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        unit = torch.distributions.Laplace(torch.zeros_like(scale), torch.ones_like(scale))
        return temperature * scale * unit.sample(torch.Size((n, self.code.size)))

    @property
    def noise_size(self) -> int:
        return self.code.size

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        lengths = self.scale.value() * neg_log_erfc(noise.abs())
        return (signs(noise) * lengths).reshape(noise.shape[0], *self.code.shape)

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return self.energy(folded_normal_mean(q.mean, q.log_std.exp())), "exact"


def folded_normal_mean(mean: Tensor, std: Tensor) -> Tensor:
    """Compute the mean of |z| for normal z (Leone, Nelson & Nottingham 1961, Technometrics 3:543)."""
    x = mean / std
    return std * math.sqrt(2 / math.pi) * (-x.square() / 2).exp() + mean * torch.erf(x / math.sqrt(2))


MIN_LENGTH = 1e-12
"""|z| / scale below which the density is treated as flat, since for beta < 1 its slope at 0 is infinite."""


class GeneralizedNormal(VectorPrior):
    """Independent dimensions with density beta / (2 scale Gamma(1/beta)) exp(-|z / scale|^beta).

    The mean of |z|^beta under a normal posterior has a closed form (Winkelbauer 2012, arXiv:1209.4340), but it needs a
    confluent hypergeometric function, which torch does not provide.
    """

    def __init__(self, spec: GeneralizedNormalSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.beta, self.scale = spec.beta, Scale(spec.scale, spec.learn_scale)

    def energy(self, z: Tensor) -> Tensor:
        """Compute the negative log-density of each dimension."""
        constant = self.scale.log() + math.log(2 / self.beta) + math.lgamma(1 / self.beta)
        return (z / self.scale.value()).abs().clamp(min=MIN_LENGTH).pow(self.beta) + constant

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z).sum(1)

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        sign = torch.randn(n, self.code.size, device=scale.device).sign()
        power = torch.distributions.Gamma(torch.full_like(sign, 1 / self.beta), torch.ones_like(sign)).sample()
        return temperature * scale * sign * power.pow(1 / self.beta)

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return normal_expectation(self.energy, q.mean, q.log_std).sum(1), "quadrature"
