"""What every quantiser of vectors does, and the two ways of letting gradients through it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_codecs.spec import VQVAESpec


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


def rotation_trick(x: Tensor, target: Tensor) -> Tensor:
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


ROUNDS = 10
"""Of k-means, on the first batch."""
TINY = 1e-5
"""Smallest use that a mean is divided by."""


class EMA(Quantiser):
    """Each vector becomes the nearest of the codebook, which is the moving average of those that became it.

    It starts from k-means on the first batch. A word that is hardly used begins anew as a vector of the batch.
    """

    codebook: Tensor
    use: Tensor
    total: Tensor
    started: Tensor

    def __init__(self, spec: VQVAESpec) -> None:
        super().__init__()
        self.spec, self.size, self.words = spec, spec.size, spec.words
        self.initialised = False
        # The mean is total / use, by word.
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
        """Move the codebook towards the means of a batch of vectors (M, D), and begin anew what is not used."""
        self.init_codebook(x)
        count, total = sums(x, self.choose(x), self.words)
        self.use.lerp_(count, 1 - self.spec.decay)
        self.total.lerp_(total, 1 - self.spec.decay)
        self.restart(x, self.use < self.spec.restart * len(x) / self.words)
        self.codebook.copy_(self.total / self.use.clamp(min=TINY).unsqueeze(1))

    def init_codebook(self, x: Tensor) -> None:
        """Once, start from the vectors. Only the first batch of a process waits for the device to tell."""
        if not self.initialised and not self.started:
            self.codebook.copy_(k_means(x, self.words))
            self.use.fill_(len(x) / self.words)
            self.total.copy_(self.codebook * self.use.unsqueeze(1))
            self.started.fill_(True)
        self.initialised = True

    def restart(self, x: Tensor, dead: Tensor) -> None:
        """Make words (words,) vectors of the batch, as if they had always had their share of the use."""
        share = len(x) / self.words
        self.use.copy_(torch.where(dead, share, self.use))
        self.total.copy_(torch.where(dead.unsqueeze(1), sample_vectors(x, self.words) * share, self.total))


def nearest(x: Tensor, codebook: Tensor) -> Tensor:
    """Which of the codebook (K, D) is nearest to each vector (..., D)."""
    return (codebook.square().sum(1) - 2 * x @ codebook.T).argmin(-1)


def sums(x: Tensor, words: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """How many of the vectors (M, D) have each of the words, (count,), and their sums, (count, D)."""
    counted = torch.cat([torch.ones_like(x[:, :1]), x], 1)
    found = x.new_zeros(count, counted.shape[1]).index_add_(0, words, counted)
    return found[:, 0], found[:, 1:]


def sample_vectors(x: Tensor, count: int) -> Tensor:
    """Vectors at random, each at most once as far as they last."""
    order = torch.randperm(len(x), device=x.device)
    return x[order.repeat(-(-count // len(x)))[:count]]


def k_means(x: Tensor, count: int) -> Tensor:
    """Centres (count, D) of vectors (M, D) after some rounds; one that loses all stays."""
    centres = k_means_plus_plus(x, count)
    for _ in range(ROUNDS):
        use, total = sums(x, nearest(x, centres), count)
        centres = torch.where(use.unsqueeze(1) > 0, total / use.clamp(min=1).unsqueeze(1), centres)
    return centres


def k_means_plus_plus(x: Tensor, count: int) -> Tensor:
    """Vectors at random, rather far from those before them: k-means++ (Arthur & Vassilvitskii 2007)."""
    rows = torch.randint(len(x), (1,), device=x.device)
    distance = x.new_full((len(x),), torch.inf)
    for _ in range(count - 1):
        distance = torch.minimum(distance, (x - x[rows[-1]]).square().sum(1))
        rows = torch.cat([rows, torch.multinomial(distance + TINY, 1)])
    return x[rows]
