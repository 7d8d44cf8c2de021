"""An autoregressive step of a flow over codes as tokens (TarFlow, Zhai et al. 2024, arXiv:2412.06329)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo_priors.attention import Block, Cache
from zoo_priors.coupling import SPAN, Step, Weighted
from zoo_priors.scale import soft_clamp

TOKENS = 8
"""As many tokens, or a few more, does a vector make unless it is told otherwise."""
START = 0.02
"""Standard deviation of learnt vectors at the start."""


class Layout(NamedTuple):
    """How a vector of numbers is cut into tokens."""

    channels: int
    """Numbers in a token."""
    tokens: int

    @classmethod
    def of(cls, code: CodeInfo, token: int | None) -> Layout:
        """A token for each place of a map, or of a vector the largest divisor of its size that is not above `token`."""
        if len(code.shape) > 1 and (places := code.size // code.shape[0]) > 1:
            return cls(code.shape[0], places)
        most = min(token or max(code.size // TOKENS, 1), code.size)
        channels = next(part for part in range(most, 0, -1) if code.size % part == 0)
        return cls(channels, code.size // channels)


class Autoregression(Step):
    """Moves and stretches each token by what the tokens before it and the context tell.

    Vectors (N, D) are read as (N, channels, tokens). Contexts are not added up: see `product`. What the network sees of
    a number grows like its logarithm, as in a coupling.
    """

    def __init__(self, layout: Layout, context: int, width: int, heads: int, depth: int, flip: bool) -> None:
        super().__init__()
        self.layout, self.flip = layout, flip
        self.embedding = nn.Linear(layout.channels, width)
        self.told = nn.Linear(context, width, bias=False)
        self.places = nn.Parameter(START * torch.randn(layout.tokens, width))
        self.blocks = nn.ModuleList(Block(width, heads, 0.0) for _ in range(depth))
        self.norm = nn.RMSNorm(width)
        self.last, self.gain = nn.Linear(width, 2 * layout.channels), width**-0.5
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def both(self, tokens: Tensor, caches: Sequence[Cache | None]) -> tuple[Tensor, Tensor]:
        """Shifts and log-deviations (N, T, channels) of the tokens that come after these (N, T, width)."""
        for block, cache in zip(self.blocks, caches, strict=True):
            tokens = block(tokens, cache)
        shift, raw = (self.gain * self.last(self.norm(tokens))).chunk(2, 2)
        return shift, soft_clamp(raw, SPAN)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        x = self.cut(z)
        seen = self.embedding(torch.asinh(x[:, :-1]))
        start = seen.new_zeros(len(seen), 1, seen.shape[2])
        tokens = torch.cat([start, seen], 1) + self.places + self.told(context).unsqueeze(1)
        shift, log_std = self.both(tokens, [None] * len(self.blocks))
        return self.joined((x - shift) * (-log_std).exp()), -log_std.sum((1, 2))

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        # All contexts go through the network at once, one after another in the batch: (K N, ...).
        told = self.told(torch.cat([context for _, context in contexts])).unsqueeze(1)
        weights = [weight for weight, _ in contexts]
        caches, found, token = [Cache() for _ in self.blocks], list[Tensor](), torch.zeros_like(told)
        for base, place in zip(self.cut(u).unbind(1), self.places, strict=True):
            shift, log_std = self.both(token + place + told, caches)
            mean, std = product(weights, *(part.view(len(weights), *base.shape) for part in (shift, log_std)))
            found.append(mean + std * base)
            token = self.embedding(torch.asinh(found[-1])).unsqueeze(1).repeat(len(weights), 1, 1)
        return self.joined(torch.stack(found, 1))

    def cut(self, z: Tensor) -> Tensor:
        """Vectors (N, D) as tokens (N, tokens, channels) in the order in which they are drawn."""
        x = z.reshape(len(z), *self.layout).mT
        return x.flip(1) if self.flip else x

    def joined(self, x: Tensor) -> Tensor:
        """The inverse of `cut`."""
        return (x.flip(1) if self.flip else x).mT.flatten(1)


def product(weights: Sequence[float], mean: Tensor, log_std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (N, D) of the product of K normal densities (K, N, D) to the power of weights that sum to 1.

    A density of negative weight counts as no narrower than the mean of the others, or the product would be none
    (STARFlow, Gu et al. 2025, arXiv:2506.06276, in its guidance).
    """
    weight = mean.new_tensor(weights)[:, None, None]
    precision, ahead = (-2 * log_std).exp(), weight.clamp(min=0)
    most = (ahead * precision).sum(0) / ahead.sum(0)
    share = weight * torch.where(weight < 0, precision.minimum(most), precision)
    total = share.sum(0)
    return (share * mean).sum(0) / total, total.rsqrt()
