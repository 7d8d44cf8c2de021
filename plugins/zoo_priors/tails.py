"""Heavy tails for a flow (Hickling & Prangle 2024, arXiv:2406.16971): its last step on the way to codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from zoo_priors.coupling import FURTHEST, Step, Weighted
from zoo_priors.scale import soft_clamp

LIGHTEST, HEAVIEST = 0.01, 1.0
"""Between these lies a tail's weight; 1 / weight is its index, so that the heaviest have no mean."""
LONGEST = 78.0
"""Logarithm of weight |z| beyond which codes are cut off: further ones are no numbers in float32."""
NEWTON = 8
"""Steps; after six nothing changes in float64."""


class Tails(Step):
    """z = mean + scale * sgn(u) / weight * (erfc(|u| / sqrt 2)^-weight - 1), number by number, whatever the context.

    P(|z| > R) falls like R^(-1 / weight) if u is normal; each number has a weight on either side of the mean. As it is
    the same map for every context, a product of densities before it is one after it.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size))
        self.raw = nn.Parameter(torch.full((size,), math.log(math.pi / 2) / 2))  # a slope of 1 in the middle
        self.weights = nn.Parameter(torch.zeros(2, size))

    def weight(self, sign: Tensor) -> Tensor:
        """Weights (N, D) on that side, in equal ratios between the bounds; 0.1 at the start."""
        below, above = LIGHTEST * (HEAVIEST / LIGHTEST) ** self.weights.sigmoid()
        return torch.where(sign < 0, below, above)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = soft_clamp(self.raw, FURTHEST)
        y = (z - self.mean) * (-log_scale).exp()
        sign = signs(y)
        weight = self.weight(sign)
        growth = torch.log1p(weight * y * sign)
        u = solve(growth / weight)
        # The slope is scale * erfc^-weight * hazard(u); its terms in u^2 / 2 cancel here instead of in the sum.
        return u * sign, -(log_scale + growth + hazard(u).log()).sum(1)

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        sign = signs(u)
        weight = self.weight(sign)
        growth = (weight * neg_log_erfc(u * sign)).clamp(max=LONGEST)
        return self.mean + soft_clamp(self.raw, FURTHEST).exp() * sign * torch.expm1(growth) / weight


def signs(x: Tensor) -> Tensor:
    """1 or -1; unlike torch's never 0, so that there is a slope at 0 as well."""
    return torch.ones_like(x).copysign(x)


def neg_log_erfc(u: Tensor) -> Tensor:
    """-log erfc(u / sqrt 2) for u >= 0, which underflows for u > 14 in float32."""
    return u.square() / 2 - scaled(u).log()


def hazard(u: Tensor) -> Tensor:
    """The slope of `neg_log_erfc`, which is nowhere below sqrt(2 / pi)."""
    return math.sqrt(2 / math.pi) / scaled(u)


def scaled(u: Tensor) -> Tensor:
    """erfc(u / sqrt 2) exp(u^2 / 2)."""
    return cast(Tensor, torch.special.erfcx(u / math.sqrt(2)))


def solve(value: Tensor) -> Tensor:
    """The u >= 0 whose neg_log_erfc is that value, with its gradient.

    Newton's steps go down to it from above, as the start is beyond it and the curve is convex; the last one is where
    the gradient comes from.
    """
    with torch.no_grad():
        u = torch.minimum(value * math.sqrt(math.pi / 2), (2 * value).sqrt())
        for _ in range(NEWTON):
            u = (u - (neg_log_erfc(u) - value) / hazard(u)).clamp(min=0)
    return u - (neg_log_erfc(u) - value) / hazard(u)
