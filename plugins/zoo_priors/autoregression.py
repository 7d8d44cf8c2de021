"""An autoregressive step of a flow over the tokens of a code (TarFlow, Zhai et al. 2024, arXiv:2412.06329)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo_priors.attention import INIT_STD, Block, Cache
from zoo_priors.coupling import MAX_LOG_SCALE, Step, Weighted
from zoo_priors.scale import soft_clamp

DEFAULT_TOKENS = 8
"""Approximate number of tokens of a vector code if the token size is not set."""


class Layout(NamedTuple):
    """How a code is divided into tokens."""

    channels: int
    """Size of a token."""
    tokens: int
    """Number of tokens."""

    @classmethod
    def of(cls, code: CodeInfo, token: int | None) -> Layout:
        """Make one token per position of a map; divide a vector into tokens of size at most `token`."""
        if len(code.shape) > 1 and (positions := code.size // code.shape[0]) > 1:
            return cls(code.shape[0], positions)
        most = min(token or max(code.size // DEFAULT_TOKENS, 1), code.size)
        channels = next(part for part in range(most, 0, -1) if code.size % part == 0)
        return cls(channels, code.size // channels)


class Autoregression(Step):
    """Shift and scale each token depending on the tokens before it and the context.

    Vectors (N, D) are read as (N, channels, tokens). Several contexts are combined by multiplying their densities: see
    `product_of_normals`. As in a coupling, the network's inputs are compressed, growing like logarithms.
    """

    renamed_parameters: ClassVar[dict[str, str]] = {"places": "positions", "told": "context_projection"}

    def __init__(self, layout: Layout, context: int, width: int, heads: int, depth: int, flip: bool) -> None:
        super().__init__()
        self.layout, self.flip = layout, flip
        self.embedding = nn.Linear(layout.channels, width)
        self.context_projection = nn.Linear(context, width, bias=False)
        self.positions = nn.Parameter(INIT_STD * torch.randn(layout.tokens, width))
        self.blocks = nn.ModuleList(Block(width, heads, 0.0) for _ in range(depth))
        self.norm = nn.RMSNorm(width)
        self.last, self.gain = nn.Linear(width, 2 * layout.channels), width**-0.5
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def shift_and_log_std(self, tokens: Tensor, caches: Sequence[Cache | None]) -> tuple[Tensor, Tensor]:
        """Compute shift and log-deviation (N, T, channels) of the token after each of these (N, T, width)."""
        for block, cache in zip(self.blocks, caches, strict=True):
            tokens = block(tokens, cache)
        shift, raw = (self.gain * self.last(self.norm(tokens))).chunk(2, 2)
        return shift, soft_clamp(raw, MAX_LOG_SCALE)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        x = self.to_tokens(z)
        previous = self.embedding(torch.asinh(x[:, :-1]))
        start = previous.new_zeros(previous.shape[0], 1, previous.shape[2])
        tokens = torch.cat([start, previous], 1) + self.positions + self.context_projection(context).unsqueeze(1)
        shift, log_std = self.shift_and_log_std(tokens, [None] * len(self.blocks))
        return self.from_tokens((x - shift) * (-log_std).exp()), -log_std.sum((1, 2))

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        # All contexts go through the network at once, concatenated along the batch: (K N, ...).
        embedded = self.context_projection(torch.cat([context for _, context in contexts])).unsqueeze(1)
        weights = [weight for weight, _ in contexts]
        caches, found, token = [Cache() for _ in self.blocks], list[Tensor](), torch.zeros_like(embedded)
        for base, position in zip(self.to_tokens(u).unbind(1), self.positions, strict=True):
            shift, log_std = self.shift_and_log_std(token + position + embedded, caches)
            mean, std = product_of_normals(
                weights, *(part.view(len(weights), *base.shape) for part in (shift, log_std))
            )
            found.append(mean + std * base)
            token = self.embedding(torch.asinh(found[-1])).unsqueeze(1).repeat(len(weights), 1, 1)
        return self.from_tokens(torch.stack(found, 1))

    def to_tokens(self, z: Tensor) -> Tensor:
        """Reshape vectors (N, D) to tokens (N, tokens, channels), in the order in which they are sampled."""
        x = z.reshape(z.shape[0], *self.layout).mT
        return x.flip(1) if self.flip else x

    def from_tokens(self, x: Tensor) -> Tensor:
        """Invert `to_tokens`."""
        return (x.flip(1) if self.flip else x).mT.flatten(1)


def product_of_normals(weights: Sequence[float], mean: Tensor, log_std: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and deviation (N, D) of a product of powers of K normal densities (K, N, D).

    The exponents `weights` sum to 1. A density with a negative exponent is widened to the average of the others, as in
    the guidance of STARFlow (Gu et al. 2025, arXiv:2506.06276); otherwise the product might not be a density.
    """
    weight = mean.new_tensor(weights)[:, None, None]
    precision, ahead = (-2 * log_std).exp(), weight.clamp(min=0)
    most = (ahead * precision).sum(0) / ahead.sum(0)
    share = weight * torch.where(weight < 0, precision.minimum(most), precision)
    total = share.sum(0)
    return (share * mean).sum(0) / total, total.rsqrt()
