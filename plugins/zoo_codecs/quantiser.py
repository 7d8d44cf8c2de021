"""Vector quantisers: finite scalar quantisation, a codebook of moving averages, and their gradient estimators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_codecs.spec import VQVAESpec


class Quantised(NamedTuple):
    """Quantised vectors and their code words."""

    words: Tensor
    """Code words, int64 (...)."""
    vectors: Tensor
    """Vectors of the code words, (..., D), with gradients to the vectors that were quantised."""
    loss: Tensor | None = None
    """Commitment loss, a scalar; None for a quantiser that needs none."""


class Quantiser(nn.Module):
    """Base class of quantisers, which map vectors (..., D) to code words and back."""

    size: int
    """Size D of a vector."""
    words: int
    """Number of code words."""

    def forward(self, x: Tensor) -> Quantised:
        """Quantise vectors in float32; in training the codebook may learn from them."""
        raise NotImplementedError

    def choose(self, x: Tensor) -> Tensor:
        """Choose the code words int64 (...) of vectors in float32."""
        raise NotImplementedError

    def look_up(self, words: Tensor) -> Tensor:
        """Look up the vectors (..., D) of code words."""
        raise NotImplementedError


def straight_through(x: Tensor, target: Tensor) -> Tensor:
    """Return the target, and pass its gradient to x unchanged (Bengio et al. 2013, arXiv:1308.3432)."""
    return x + (target - x).detach()


def rotation_trick(x: Tensor, target: Tensor) -> Tensor:
    """Return the target as x rotated and scaled, by constants (Fifty et al. 2024, arXiv:2410.06424)."""
    unit, aim = F.normalize(x.detach(), dim=-1), F.normalize(target.detach(), dim=-1)
    middle = F.normalize(unit + aim, dim=-1)
    stretch = length(target) / length(x).clamp(min=1e-6)
    rotated = x - 2 * dot(x, middle) * middle + 2 * dot(x, unit) * aim
    return stretch * rotated


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Compute the inner products (..., 1) of vectors (..., D)."""
    return (a * b).sum(-1, keepdim=True)


def length(x: Tensor) -> Tensor:
    """Compute the lengths (..., 1) of vectors (..., D), without gradients."""
    return dot(x, x).detach().sqrt()


SLACK = 1e-3
"""Share by which the bounds lie beyond the outermost levels, so that these can be reached."""


class FSQ(Quantiser):
    """Finite scalar quantisation: element i of a vector is rounded to one of levels[i] values in -1..1.

    A code word is the number of a combination of levels. There is no codebook to learn, so no code word falls out of
    use.
    """

    levels: Tensor
    bases: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.size, self.words = len(levels), math.prod(levels)
        bases = [math.prod(levels[:index]) for index in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("bases", torch.tensor(bases), persistent=False)

    def bound(self, x: Tensor) -> Tensor:
        """Squash vectors so that rounding gives as many integers as there are levels; 0 stays 0."""
        half = (self.levels - 1) * (1 + SLACK) / 2
        offset = 0.5 * (1 - self.levels % 2)
        return (x + (offset / half).atanh()).tanh() * half - offset

    def digits(self, x: Tensor) -> Tensor:
        """Compute the level 0, 1, ... of each element of vectors (..., D)."""
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


K_MEANS_ROUNDS = 10
"""Iterations of k-means on the first batch."""
MIN_USE = 1e-5
"""Smallest usage by which a mean is divided."""


class EMA(Quantiser):
    """A codebook updated by moving averages: each vector is replaced by the nearest one of the codebook.

    Each vector of the codebook is the moving average of those it replaced. The codebook is initialised by k-means on
    the first batch. A code word that is hardly used is re-initialised to a vector of the batch.
    """

    codebook: Tensor
    use: Tensor
    total: Tensor
    started: Tensor

    def __init__(self, spec: VQVAESpec) -> None:
        super().__init__()
        self.spec, self.size, self.words = spec, spec.size, spec.words
        self.initialised = False
        # The vector of each code word is total / use.
        self.register_buffer("codebook", torch.randn(spec.words, spec.size))
        self.register_buffer("use", torch.ones(spec.words))
        self.register_buffer("total", self.codebook.clone())
        self.register_buffer("started", torch.tensor(False))

    def forward(self, x: Tensor) -> Quantised:
        if self.training:
            self.learn(x.detach().reshape(-1, self.size))
        words = self.choose(x)
        target = self.look_up(words)
        through = rotation_trick if self.spec.gradient == "rotation" else straight_through
        return Quantised(words, through(x, target), self.spec.commitment * F.mse_loss(x, target))

    def choose(self, x: Tensor) -> Tensor:
        return nearest(x, self.codebook)

    def look_up(self, words: Tensor) -> Tensor:
        return F.embedding(words, self.codebook)

    @torch.no_grad()
    def learn(self, x: Tensor) -> None:
        """Update the codebook from a batch of vectors (M, D), and re-initialise unused code words."""
        self.init_codebook(x)
        count, total = sum_by_word(x, self.choose(x), self.words)
        self.use.lerp_(count, 1 - self.spec.decay)
        self.total.lerp_(total, 1 - self.spec.decay)
        self.restart(x, self.use < self.spec.restart * len(x) / self.words)
        self.codebook.copy_(self.total / self.use.clamp(min=MIN_USE).unsqueeze(1))

    def init_codebook(self, x: Tensor) -> None:
        """Initialise the codebook from vectors (M, D), once; only the first batch of a process synchronises."""
        if not self.initialised and not self.started:
            self.codebook.copy_(k_means(x, self.words))
            self.use.fill_(len(x) / self.words)
            self.total.copy_(self.codebook * self.use.unsqueeze(1))
            self.started.fill_(True)
        self.initialised = True

    def restart(self, x: Tensor, dead: Tensor) -> None:
        """Re-initialise dead code words, bool (words,), to vectors of the batch, with average usage."""
        share = len(x) / self.words
        self.use.copy_(torch.where(dead, share, self.use))
        self.total.copy_(torch.where(dead.unsqueeze(1), sample_vectors(x, self.words) * share, self.total))


def nearest(x: Tensor, codebook: Tensor) -> Tensor:
    """Find the nearest vector of the codebook (K, D) to each vector (..., D)."""
    return (codebook.square().sum(1) - 2 * x @ codebook.T).argmin(-1)


def sum_by_word(x: Tensor, words: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Count and sum the vectors (M, D) of each code word: (count,) and (count, D)."""
    counted = torch.cat([torch.ones_like(x[:, :1]), x], 1)
    found = x.new_zeros(count, counted.shape[1]).index_add_(0, words, counted)
    return found[:, 0], found[:, 1:]


def sample_vectors(x: Tensor, count: int) -> Tensor:
    """Sample `count` vectors, without replacement if there are enough."""
    order = torch.randperm(len(x), device=x.device)
    return x[order.repeat(math.ceil(count / len(x)))[:count]]


def k_means(x: Tensor, count: int) -> Tensor:
    """Compute centres (count, D) of vectors (M, D) by k-means; a centre without vectors stays where it is."""
    centres = k_means_plus_plus(x, count)
    for _ in range(K_MEANS_ROUNDS):
        use, total = sum_by_word(x, nearest(x, centres), count)
        centres = torch.where(use.unsqueeze(1) > 0, total / use.clamp(min=1).unsqueeze(1), centres)
    return centres


def k_means_plus_plus(x: Tensor, count: int) -> Tensor:
    """Sample initial centres by k-means++ (Arthur & Vassilvitskii 2007)."""
    rows = torch.randint(len(x), (1,), device=x.device)
    distance = x.new_full((len(x),), torch.inf)
    for _ in range(count - 1):
        distance = torch.minimum(distance, (x - x[rows[-1]]).square().sum(1))
        rows = torch.cat([rows, torch.multinomial(distance + MIN_USE, 1)])
    return x[rows]
