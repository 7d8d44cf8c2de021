"""The generalised normal prior (Subbotin 1923): between normal, Laplace and still heavier tails."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo import CodeInfo
from zoo.models import Exactness, Posterior, VectorPrior
from zoo_priors.quadrature import mean_of
from zoo_priors.scale import Scale
from zoo_priors.spec import GeneralizedNormalSpec

NEAREST = 1e-12
"""|z| below which the density is taken for flat: for beta < 1 its slope at 0 is infinite."""


class GeneralizedNormal(VectorPrior):
    """Independent numbers with density beta / (2 scale Gamma(1/beta)) exp(-|z / scale|^beta).

    The mean of |z|^beta under a normal posterior has a closed form (Winkelbauer 2012, arXiv:1209.4340) by a confluent
    hypergeometric function, which torch has not.
    """

    def __init__(self, spec: GeneralizedNormalSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.beta, self.scale = spec.beta, Scale(spec.scale, spec.learn_scale)

    def energy(self, z: Tensor) -> Tensor:
        """-log density of each number."""
        constant = self.scale.log() + math.log(2 / self.beta) + math.lgamma(1 / self.beta)
        return (z / self.scale.value()).abs().clamp(min=NEAREST).pow(self.beta) + constant

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z).sum(1)

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        sign = torch.randn(n, self.code.size, device=scale.device).sign()
        power = torch.distributions.Gamma(torch.full_like(sign, 1 / self.beta), torch.ones_like(sign)).sample()
        return temperature * scale * sign * power.pow(1 / self.beta)

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return mean_of(self.energy, q.mean, q.log_std).sum(1), "quadrature"
