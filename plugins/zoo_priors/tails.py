"""Heavy tails for a flow (Hickling & Prangle 2024, arXiv:2406.16971), as the step next to the codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from zoo_priors.coupling import MAX_OUTER_LOG_SCALE, Step, Weighted
from zoo_priors.scale import soft_clamp

MIN_WEIGHT, MAX_WEIGHT = 0.01, 1.0
"""Bounds of the weight of a tail; its index is 1 / weight, so the heaviest tails have no mean."""
MAX_LOG_GROWTH = 78.0
"""Logarithm of weight |z| at which codes are clipped, since larger ones overflow in float32."""
NEWTON_STEPS = 8
"""Number of Newton steps; after six nothing changes in float64."""


class Tails(Step):
    """The map z = mean + scale * sgn(u) / weight * (erfc(|u| / sqrt 2)^-weight - 1) in each dimension.

    P(|z| > R) falls like R^(-1 / weight) if u is normal; each dimension has a weight on either side of the mean. Since
    the map is the same for every context, products of densities are preserved.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size))
        self.raw = nn.Parameter(torch.full((size,), math.log(math.pi / 2) / 2))  # a slope of 1 in the middle
        self.weights = nn.Parameter(torch.zeros(2, size))

    def weight(self, sign: Tensor) -> Tensor:
        """Return the weights (N, D) on the side of `sign`, within the bounds; initially 0.1."""
        below, above = MIN_WEIGHT * (MAX_WEIGHT / MIN_WEIGHT) ** self.weights.sigmoid()
        return torch.where(sign < 0, below, above)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = soft_clamp(self.raw, MAX_OUTER_LOG_SCALE)
        y = (z - self.mean) * (-log_scale).exp()
        sign = signs(y)
        weight = self.weight(sign)
        growth = torch.log1p(weight * y * sign)
        u = inverse_neg_log_erfc(growth / weight)
        # The slope is scale * erfc^-weight * hazard(u); its terms in u^2 / 2 cancel here instead of in the sum.
        return u * sign, -(log_scale + growth + hazard(u).log()).sum(1)

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        sign = signs(u)
        weight = self.weight(sign)
        growth = (weight * neg_log_erfc(u * sign)).clamp(max=MAX_LOG_GROWTH)
        return self.mean + soft_clamp(self.raw, MAX_OUTER_LOG_SCALE).exp() * sign * torch.expm1(growth) / weight


def signs(x: Tensor) -> Tensor:
    """Return 1 or -1, never 0 unlike torch.sign, so that there is a gradient at 0 as well."""
    return torch.where(x < 0, -torch.ones_like(x), torch.ones_like(x))


def neg_log_erfc(u: Tensor) -> Tensor:
    """Compute -log erfc(u / sqrt 2) for u >= 0, without the underflow of erfc for u > 14 in float32."""
    return u.square() / 2 - scaled_erfc(u).log()


def hazard(u: Tensor) -> Tensor:
    """Compute the derivative of `neg_log_erfc`, which is at least sqrt(2 / pi)."""
    return math.sqrt(2 / math.pi) / scaled_erfc(u)


def scaled_erfc(u: Tensor) -> Tensor:
    """Compute erfc(u / sqrt 2) exp(u^2 / 2) for u >= 0."""
    if torch.compiler.is_exporting():
        return approximate_erfcx(u / math.sqrt(2))
    return cast(Tensor, torch.special.erfcx(u / math.sqrt(2)))


ERFCX = (
    *(-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806),
    *(0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277),
)
"""Coefficients of `approximate_erfcx`, the lowest power first."""


def approximate_erfcx(x: Tensor) -> Tensor:
    """Approximate erfc(x) exp(x^2) for x >= 0 with a relative error below 1.2e-7, for formats without that function.

    It is the Chebyshev fit of Press et al., Numerical Recipes in C, 2nd edition, section 6.2.
    """
    t = 2 / (2 + x)
    power = torch.zeros_like(t)
    for coefficient in reversed(ERFCX):
        power = power * t + coefficient
    return t * power.exp()


def inverse_neg_log_erfc(value: Tensor) -> Tensor:
    """Invert `neg_log_erfc` for u >= 0, with the gradient.

    Newton's method starts above the solution and descends to it, since the function is convex. The last step provides
    the gradient.
    """
    with torch.no_grad():
        u = torch.minimum(value * math.sqrt(math.pi / 2), (2 * value).sqrt())
        for _ in range(NEWTON_STEPS):
            u = (u - (neg_log_erfc(u) - value) / hazard(u)).clamp(min=0)
    return u - (neg_log_erfc(u) - value) / hazard(u)
