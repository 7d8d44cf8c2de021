"""What every quantiser of vectors does, and the two ways of letting gradients through it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class Quantised(NamedTuple):
    """Vectors that became words."""

    words: Tensor
    """int64 (...)."""
    vectors: Tensor
    """Those of the words, (..., D), with gradients to the vectors before them."""
    loss: Tensor | None = None
    """What keeps the vectors near their words, a scalar; None where nothing needs to."""


class Quantiser(nn.Module):
    """Vectors (..., D) to words and back."""

    size: int
    """D."""
    words: int
    """How many there are."""

    def forward(self, x: Tensor) -> Quantised:
        """Quantise vectors in float32; in training the codebook may learn from them."""
        raise NotImplementedError

    def choose(self, x: Tensor) -> Tensor:
        """The words int64 (...) of vectors in float32."""
        raise NotImplementedError

    def look_up(self, words: Tensor) -> Tensor:
        """The vectors (..., D) of words, from the codebook."""
        raise NotImplementedError


def straight_through(x: Tensor, target: Tensor) -> Tensor:
    """The target, with its gradient given to x as it is (Bengio et al. 2013, arXiv:1308.3432)."""
    return x + (target - x).detach()


def rotated(x: Tensor, target: Tensor) -> Tensor:
    """The target as x turned and stretched, both held constant for gradients (Fifty et al. 2024, arXiv:2410.06424)."""
    unit, aim = F.normalize(x.detach(), dim=-1), F.normalize(target.detach(), dim=-1)
    middle = F.normalize(unit + aim, dim=-1)
    stretch = length(target) / length(x).clamp(min=1e-6)
    turned = x - 2 * dot(x, middle) * middle + 2 * dot(x, unit) * aim
    return stretch * turned


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of vectors (..., D), as (..., 1)."""
    return (a * b).sum(-1, keepdim=True)


def length(x: Tensor) -> Tensor:
    """Of vectors (..., D), as (..., 1), held constant."""
    return dot(x, x).detach().sqrt()
