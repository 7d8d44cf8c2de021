"""The one variance that all numbers of a decoded picture share (sigma-VAE, Rybkin et al. 2020, arXiv:2006.13202)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.core import DataInfo
from zoo.models import as_float32

LEAST = 1 / 512
"""No deviation is below half a level of a picture: a density of whole levels has no bound otherwise."""
START = 0.2
"""Where a learnt deviation begins."""
MEMORY = 0.01
"""Share of the newest batch in the average."""


class Variance(nn.Module):
    """A variance for all numbers of all pictures."""

    def forward(self, squared: Tensor) -> Tensor:
        """The variance, a scalar, given squared errors (N, C, H, W)."""
        raise NotImplementedError

    def nats(self, x: Tensor, shown: Tensor) -> Tensor:
        """-log p (N,) of pictures x under normal distributions around those shown, in float32."""
        squared = (as_float32(x) - as_float32(shown)).square()
        variance: Tensor = self(squared)
        return ((squared / variance + (2 * math.pi * variance).log()) / 2).flatten(1).sum(1)


class Analytic(Variance):
    """The mean squared error of the batch in training, which is the likeliest; its average of late in evaluation."""

    average: Tensor
    count: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        start = sum(value**2 for value in info.std) / len(info.std)
        self.register_buffer("average", torch.tensor(max(start, LEAST**2)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, squared: Tensor) -> Tensor:
        """Without a gradient: at the likeliest variance there is none."""
        if not self.training:
            return self.average.clamp(min=LEAST**2)
        now = squared.detach().mean()
        self.count += 1
        self.average.lerp_(now, (1 / self.count).clamp(min=MEMORY))
        return now.clamp(min=LEAST**2)


class Learnt(Variance):
    """A parameter."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.log_std = nn.Parameter(torch.tensor(math.log(START)))

    def forward(self, squared: Tensor) -> Tensor:
        """Whatever the errors are; the sum, unlike a maximum, has a gradient everywhere."""
        return (self.log_std.exp() + LEAST).square()


VARIANCES: dict[str, Callable[[DataInfo], Variance]] = {"analytic": Analytic, "learnt": Learnt}
