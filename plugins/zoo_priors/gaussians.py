"""What mixtures of normal distributions over vectors share."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.models import Posterior


def log_mixture(z: Tensor, parts: Posterior, log_weight: Tensor) -> Tensor:
    """Log-density in nats (N,) of z (N, D) under K parts (K, D) with log-weights (K,)."""
    # The distances are not expanded into a matrix product: it would lose the digits of codes far out.
    distance = (z.unsqueeze(1) - parts.mean) * (-parts.log_std).exp()
    constant = parts.log_std.sum(1) + z.shape[1] / 2 * math.log(2 * math.pi)
    return torch.logsumexp(log_weight - constant - distance.square().sum(2) / 2, 1)


def draw_mixture(n: int, parts: Posterior, log_weight: Tensor, temperature: float) -> Tensor:
    """Vectors (n, D): the parts by their weights, and within a part narrower for lower temperatures."""
    chosen = torch.multinomial(log_weight.exp(), n, replacement=True)
    mean, log_std = parts.mean[chosen], parts.log_std[chosen]
    return mean + temperature * log_std.exp() * torch.randn_like(mean)
