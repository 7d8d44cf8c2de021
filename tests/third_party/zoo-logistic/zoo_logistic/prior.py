"""Independent logistic distributions whose centres and scales depend on a condition."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import CodeInfo
from zoo.models import VectorPrior
from zoo_logistic.spec import LogisticSpec

SPAN = 3.0
"""How far, in nats, scales may go from where they began."""
EDGE = 1e-6
"""Uniform draws stay that far from 0 and 1, where a logistic number is infinite."""


class Logistic(VectorPrior):
    """z = centre + scale log(u / (1 - u)) for a uniform u, number by number."""

    conditional = True

    def __init__(self, spec: LogisticSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.start = math.log(spec.scale)
        self.centre = nn.Linear(code.condition, code.size)
        self.stretch = nn.Linear(code.condition, code.size) if spec.stretch else None

    def told(self, n: int, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Centres and logarithms of the scales, (n, D) each."""
        like = self.centre.weight
        given = like.new_zeros(n, self.code.condition) if condition is None else condition.to(like)
        centre: Tensor = self.centre(given)
        change = torch.zeros_like(centre) if self.stretch is None else SPAN * torch.tanh(self.stretch(given) / SPAN)
        return centre, self.start + change

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        centre, log_scale = self.told(len(z), condition)
        u = (z - centre) * (-log_scale).exp()
        return (F.logsigmoid(u) + F.logsigmoid(-u) - log_scale).sum(1)

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        centre, log_scale = self.told(n, condition)
        return centre + temperature * log_scale.exp() * torch.rand_like(centre).clamp(EDGE, 1 - EDGE).logit()
