"""The Laplace prior: sharper at 0 and heavier in the tails than the normal one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo import CodeInfo
from zoo.models import Exactness, Posterior, VectorPrior
from zoo_priors.scale import Scale
from zoo_priors.spec import LaplaceSpec


class Laplace(VectorPrior):
    """Independent numbers with density exp(-|z| / scale) / (2 scale)."""

    def __init__(self, spec: LaplaceSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.scale = Scale(spec.scale, spec.learn_scale)

    def energy(self, lengths: Tensor) -> Tensor:
        """-log_density from |z| (N, D)."""
        return (lengths / self.scale.value() + self.scale.log() + math.log(2)).sum(1)

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z.abs())

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        unit = torch.distributions.Laplace(torch.zeros_like(scale), torch.ones_like(scale))
        return temperature * scale * unit.sample(torch.Size((n, self.code.size)))

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return self.energy(folded(q.mean, q.log_std.exp())), "exact"


def folded(mean: Tensor, std: Tensor) -> Tensor:
    """The mean of |z| for z normal (Leone, Nelson & Nottingham 1961, Technometrics 3:543)."""
    x = mean / std
    return std * math.sqrt(2 / math.pi) * (-x.square() / 2).exp() + mean * torch.erf(x / math.sqrt(2))
