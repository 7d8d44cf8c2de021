"""Means of functions of normal numbers by a sum over fixed points, for functions that have a kink or peak at 0.

Gauss-Hermite points converge slowly there. These follow t = softplus(u) on either side of 0, crowd at 0 and go out as
far as the normal density does; the trapezoid rule in u then converges exponentially (Takahasi & Mori 1973,
doi:10.1007/BF01436569).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

STEP, LOWEST, HIGHEST = 0.75, -14.25, 6.0


def normal_expectation(function: Callable[[Tensor], Tensor], mean: Tensor, log_std: Tensor) -> Tensor:
    """The mean of function(z), elementwise, for z normal; of the shape of `mean`.

    Gradients flow through z as in a reparameterised sample; the points and their weights are constants to them.
    """
    std = log_std.exp()
    with torch.no_grad():
        side = torch.where(mean < 0, -1.0, 1.0).unsqueeze(-1)
        noise, length, weight = points((mean / std).abs())
        flat, unit = mean.unsqueeze(-1), std.unsqueeze(-1)
        # mean + std * noise would lose all digits near 0, where the points crowd.
        place = side * unit * length
        noise = side * noise
    z = place + (mean.unsqueeze(-1) - flat) + noise * (std.unsqueeze(-1) - unit)
    return (weight * function(z)).sum(-1)


def points(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points (..., P) for z normal around x >= 0 with deviation 1: z - x, z, and their weights."""
    v = torch.arange(LOWEST, HIGHEST + STEP / 2, STEP, device=x.device, dtype=x.dtype)
    x = x.unsqueeze(-1)
    u = x + v
    t = F.softplus(u, threshold=50)
    right, left = v + F.softplus(-u, threshold=50), -(t + x)  # t - x, where t and x may be huge and near
    slope = STEP * torch.sigmoid(u) / math.sqrt(2 * math.pi)
    noise = torch.cat([right, left], -1)
    weight = torch.cat([slope, slope], -1) * (-noise.square() / 2).exp()
    return noise, torch.cat([t, -t], -1), weight
