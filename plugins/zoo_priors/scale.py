"""The scale of a prior, fixed or learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SPAN = math.log(100)
"""How far, in nats, a learnt scale may go: encoder and prior could shrink together for ever at no cost."""


class Scale(nn.Module):
    """A positive number (), also known by its logarithm."""

    start: Tensor

    def __init__(self, value: float, learn: bool) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor(math.log(value)), persistent=False)
        self.shift = nn.Parameter(torch.zeros(())) if learn else None

    def log(self) -> Tensor:
        """The natural logarithm."""
        return self.start if self.shift is None else self.start + soft_clamp(self.shift, SPAN)

    def value(self) -> Tensor:
        """The number itself."""
        return self.log().exp()


def soft_clamp(x: Tensor, most: float) -> Tensor:
    """Nearly x where it is small, and never beyond `most` on either side."""
    return most * torch.tanh(x / most)


def inverse_soft_clamp(x: Tensor, most: float) -> Tensor:
    """What `soft_clamp` makes x of, for x within 99 % of the bounds."""
    return most * torch.atanh((x / most).clamp(-0.99, 0.99))
