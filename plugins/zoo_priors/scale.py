"""The scale of a prior, fixed or learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MAX_LOG_SHIFT = math.log(100)
"""Largest change of the log of a learnt scale; without it, encoder and prior could shrink forever at no cost."""


class Scale(nn.Module):
    """A positive scalar, stored as its logarithm."""

    start: Tensor

    def __init__(self, value: float, learn: bool) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor(math.log(value)), persistent=False)
        self.shift = nn.Parameter(torch.zeros(())) if learn else None

    def log(self) -> Tensor:
        """Return the natural logarithm of the scale."""
        return self.start if self.shift is None else self.start + soft_clamp(self.shift, MAX_LOG_SHIFT)

    def value(self) -> Tensor:
        """Return the scale."""
        return self.log().exp()


def soft_clamp(x: Tensor, most: float) -> Tensor:
    """Limit x smoothly to -most..most; small values hardly change."""
    return most * torch.tanh(x / most)
