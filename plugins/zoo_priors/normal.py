"""The normal prior (Kingma & Welling 2013, arXiv:1312.6114)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo import CodeInfo
from zoo.models import Exactness, Posterior, VectorPrior
from zoo_priors.scale import Scale
from zoo_priors.spec import NormalSpec


class Normal(VectorPrior):
    """N(0, scale^2 I)."""

    def __init__(self, spec: NormalSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.scale = Scale(spec.scale, spec.learn_scale)

    def energy(self, squares: Tensor) -> Tensor:
        """-log_density from z^2 (N, D)."""
        constant = self.scale.log() + math.log(2 * math.pi) / 2
        return (squares / (2 * self.scale.value().square()) + constant).sum(1)

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z.square())

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        return temperature * scale * torch.randn(n, self.code.size, device=scale.device)

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return self.energy(q.mean.square() + (2 * q.log_std).exp()), "exact"
