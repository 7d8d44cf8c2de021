"""Toy data and minimal models with which kinds are checked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.types import Batch, CodeInfo, DataInfo
from zoo.data.dataset import Pictures
from zoo.models.base import Classifier
from zoo.models.invertible import Invertible
from zoo.models.latent import LatentModel
from zoo.models.prior import Posterior, Prior, Term
from zoo.models.text import TextEncoder

CLASSES = ("airplane", "bird", "cat", "dog", "ship", "truck")
CAPTIONS = (("plane",), (), ("kitten",), ("puppy",), ("boat",), ("lorry",))
SHAPE = (1, 8, 8)
PER_CLASS = 4
"""Pictures per class."""
CODE_SIZE, WORDS, SIDE = 6, 7, 2
"""Size of continuous codes; number of code words, and height and width of their maps."""


def info_of(shape: tuple[int, int, int] = SHAPE, classes: int = len(CLASSES)) -> DataInfo:
    """Describe the toy pictures."""
    return DataInfo.of(shape, CLASSES[:classes], CAPTIONS[:classes])


def pictures_of(info: DataInfo, each: int = PER_CLASS, seed: int = 0) -> Pictures:
    """Make noisy pictures of one pattern per class, reproducible by seed."""
    chance, labels = np.random.default_rng(seed), np.arange(each * len(info.classes)) % len(info.classes)
    patterns = np.random.default_rng(0).uniform(40, 215, (len(info.classes), *info.shape))
    x = patterns[labels] + chance.normal(0, 20, (len(labels), *info.shape))
    return Pictures.of(x.clip(0, 255).round().astype(np.uint8).transpose(0, 2, 3, 1), labels)


def batch_of(info: DataInfo, each: int = PER_CLASS) -> Batch:
    """Make one batch of all toy pictures."""
    pictures = pictures_of(info, each)
    return Batch(pictures.floats, pictures.y)


class LinearClassifier(Classifier):
    """A classifier with one linear layer, used as a teacher and a judge."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__(info)
        self.layer = nn.Linear(math.prod(info.shape), len(info.classes))

    def logits(self, x: Tensor) -> Tensor:
        """Compute unnormalised log-probabilities (N, K) of standardised pictures (N, C, H, W)."""
        scores: Tensor = self.layer(x.flatten(1))
        return scores


class LinearCodec(LatentModel):
    """A linear encoder and decoder of continuous codes."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.code, self.shape = CodeInfo((CODE_SIZE,)), info.shape
        self.encoder = nn.Linear(math.prod(info.shape), 2 * CODE_SIZE)
        self.decoder = nn.Linear(CODE_SIZE, math.prod(info.shape))

    def encode(self, x: Tensor) -> Posterior | Tensor:
        """Compute the posterior over the codes (N, 6) of pictures (N, C, H, W)."""
        mean, log_std = self.encoder(x.flatten(1) - 0.5).chunk(2, 1)
        return Posterior(mean, log_std - 0.5)

    def decode(self, code: Tensor) -> Tensor:
        """Decode codes (N, 6) to pictures (N, C, H, W)."""
        decoded: Tensor = self.decoder(code)
        return decoded.sigmoid().view(-1, *self.shape)

    def distortion(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute the squared error of pictures, times 10: nats (N,)."""
        return 10 * F.mse_loss(decoded, x, reduction="none").flatten(1).sum(1)


class VQCodec(LinearCodec):
    """Code words chosen by fixed random projections, with a trainable decoder."""

    directions: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__(info)
        del self.encoder
        self.code = CodeInfo((SIDE, SIDE), words=WORDS)
        fixed = torch.randn(math.prod(info.shape), SIDE * SIDE * WORDS, generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", fixed)
        self.vectors = nn.Embedding(WORDS, CODE_SIZE)
        self.decoder = nn.Linear(SIDE * SIDE * CODE_SIZE, math.prod(info.shape))

    def encode(self, x: Tensor) -> Tensor:
        """Choose the code words (N, 2, 2) of pictures (N, C, H, W)."""
        return ((x.flatten(1) - 0.5) @ self.directions).view(-1, SIDE, SIDE, WORDS).argmax(3)

    def decode(self, code: Tensor) -> Tensor:
        """Decode code words (N, 2, 2) to pictures (N, C, H, W)."""
        return super().decode(self.vectors(code).flatten(1))


class ConditionalNormal(Invertible):
    """A normal distribution whose mean is linear in the condition: a conditional, invertible prior."""

    conditional = True

    def __init__(self, code: CodeInfo) -> None:
        super().__init__(code)
        self.mean = nn.Linear(code.condition, code.size)
        self.log_std = nn.Parameter(torch.zeros(code.size))

    def centre(self, condition: Tensor | None) -> Tensor:
        """Compute the mean for a condition (N, K), or without one."""
        found: Tensor = self.mean.bias if condition is None else self.mean(condition)
        return found

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map codes to vectors (N, D) that follow N(0, I), with log-determinants (N,)."""
        u = (self.vectors(code) - self.centre(condition)) * (-self.log_std).exp()
        return u, -self.log_std.sum().expand(len(u))

    def from_base(self, u: Tensor, terms: Sequence[Term]) -> Tensor:
        """Map vectors (N, D) to codes, around the weighted sum of the terms' means."""
        centre = sum((weight * self.centre(condition) for weight, condition in terms), torch.zeros(()))
        return (centre + u * self.log_std.exp()).view(-1, *self.code.shape)


class IndependentWords(Prior):
    """A prior of independent code words that ignores the condition."""

    def __init__(self, code: CodeInfo) -> None:
        super().__init__(code)
        self.scores = nn.Parameter(torch.zeros(code.words or 1))

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute the log-probability of code words in nats (N,)."""
        return self.scores.log_softmax(0)[code].flatten(1).sum(1)

    @torch.no_grad()
    def sample(self, n: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Sample code words (n, *shape)."""
        shares = (self.scores / temperature).softmax(0)
        return torch.multinomial(shares, n * self.code.size, replacement=True).view(n, *self.code.shape)


class CaptionLetters(TextEncoder):
    """A text encoder that reads captions: how often each of eight groups of letters occurs."""

    size = 8
    takes_captions = True

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Encode texts as counts float32 (N, 8)."""
        counts = [[sum(ord(letter) % 8 == group for letter in text) for group in range(8)] for text in texts]
        return torch.tensor(counts, dtype=torch.float32)
