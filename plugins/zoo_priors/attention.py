"""Self-attention and the causal block around it, for whole sequences or token by token with a cache."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models import no_autocast

INIT_STD = 0.02
"""Initial standard deviation of learnt vectors."""

SHORT = 256
"""Longest sequence whose scores are held in memory as a whole."""


class Cache:
    """Keys and values (N, heads, T, width / heads) of the tokens so far."""

    def __init__(self) -> None:
        self.seen: tuple[Tensor, Tensor] | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append the keys and values of further tokens, and return all of them."""
        if self.seen:
            keys, values = torch.cat([self.seen[0], keys], 2), torch.cat([self.seen[1], values], 2)
        self.seen = keys, values
        return self.seen


class Attention(nn.Module):
    """Self-attention (Vaswani et al. 2017, arXiv:1706.03762), causal unless stated otherwise.

    With `memory`, the size of the tokens of a memory, these are attended to as well, as the text of Nichol et al. 2021
    (arXiv:2112.10741) is.
    """

    def __init__(self, width: int, heads: int, causal: bool = True, memory: int = 0) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        if memory:
            self.memory = nn.Linear(memory, 2 * width, bias=False)

    def forward(self, x: Tensor, cache: Cache | None = None, memory: Tensor | None = None) -> Tensor:
        """Map tokens (N, T, width) to tokens of the same shape; with a cache T must be 1.

        Without biases, tokens (N, M, memory) of zeros add nothing but take some of the attention.
        """
        parts = self.inputs(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, keys, values = parts.unbind(0)
        if cache:
            keys, values = cache.extend(keys, values)
        if memory is not None:
            more = self.memory(memory).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
            keys, values = torch.cat([keys, more[0]], 2), torch.cat([values, more[1]], 2)
        found = attend(query, keys, values, self.causal and cache is None)
        return cast(Tensor, self.output(found.transpose(1, 2).flatten(2)))


def attend(query: Tensor, keys: Tensor, values: Tensor, causal: bool) -> Tensor:
    """Attend from queries (N, heads, T, size) to keys and values (N, heads, S, size)."""
    short = query.shape[2] * keys.shape[2] <= SHORT**2
    if not (short and query.requires_grad and query.device.type == "cpu" and query.dtype == torch.bfloat16):
        return F.scaled_dot_product_attention(query, keys, values, is_causal=causal)
    # PyTorch's own gradient takes up to 15 times as long as these two products on the CPU in bfloat16.
    with no_autocast(query.device):
        scores = query * query.shape[-1] ** -0.5 @ keys.mT
        if causal:
            scores = scores.masked_fill(scores.new_ones(scores.shape[-2:]).tril() == 0, -torch.inf)
        return cast(Tensor, scores.softmax(-1) @ values)


class Block(nn.Module):
    """A pre-norm transformer block: attention and an MLP, each with a residual connection."""

    renamed_parameters: ClassVar[dict[str, str]] = {"perceptron": "mlp"}

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """Map tokens (N, T, width) to tokens of the same shape; with a cache T must be 1."""
        x = x + self.dropout(self.attention(self.norms[0](x), cache))
        return cast(Tensor, x + self.dropout(self.mlp(self.norms[1](x))))
