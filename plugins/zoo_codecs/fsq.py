"""Finite scalar quantisation (Mentzer et al. 2023, arXiv:2309.15505): each number is rounded to one of a few levels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo_codecs.quantiser import Quantised, Quantiser, straight_through

SLACK = 1e-3
"""The outermost levels lie this share within the bounds, so that they can be reached."""


class FSQ(Quantiser):
    """Number i of a vector takes one of levels[i] values in -1..1; the word counts the combinations.

    There is no codebook to learn, and so none that could fall out of use.
    """

    levels: Tensor
    bases: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.size, self.words = len(levels), math.prod(levels)
        bases = [math.prod(levels[:place]) for place in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("bases", torch.tensor(bases), persistent=False)

    def bound(self, x: Tensor) -> Tensor:
        """Numbers squeezed to where rounding leaves as many integers as there are levels; 0 stays 0."""
        half = (self.levels - 1) * (1 + SLACK) / 2
        offset = 0.5 * (1 - self.levels % 2)
        return (x + (offset / half).atanh()).tanh() * half - offset

    def digits(self, x: Tensor) -> Tensor:
        """Levels 0, 1, ... of the numbers of vectors (..., D)."""
        return (self.bound(x).round() + self.levels // 2).long()

    def forward(self, x: Tensor) -> Quantised:
        bounded = self.bound(x)
        vectors = straight_through(bounded, bounded.round()) / (self.levels // 2)
        return Quantised(self.choose(x), vectors)

    def choose(self, x: Tensor) -> Tensor:
        return (self.digits(x) * self.bases).sum(-1)

    def look_up(self, words: Tensor) -> Tensor:
        digits = words.unsqueeze(-1) // self.bases % self.levels
        return (digits - self.levels // 2) / (self.levels // 2)
