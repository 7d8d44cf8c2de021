"""A text encoder that reads words in their order: a small transformer, learnt with the prior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import DataInfo
from zoo.core import ZooError
from zoo_text.spec import TokensSpec
from zoo_text.vocabulary import WordEncoder, word_vectors

POSITION_STD = 0.5
"""Standard deviation of position vectors at first, beside 1 of word vectors; with less the order is learnt late."""


class Block(nn.Module):
    """A layer of a transformer (Vaswani et al. 2017, arXiv:1706.03762), normalised before each part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.attention = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, used: Tensor) -> Tensor:
        """Transform words (N, L, width), of which those are attended to that are `used`, bool (N, L)."""
        n, length, width = x.shape
        parts = self.attention(self.norm(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=used[:, None, None])
        x = x + self.join(found.transpose(1, 2).reshape(n, length, width))
        mixed: Tensor = x + self.mlp(x)
        return mixed


class Tokens(WordEncoder):
    """A transformer over words with learnt positions, which tells "a cat above a dog" from "a dog above a cat".

    With pooling a text is a vector of length 1, made from the mean over its words. Without pooling it is a vector of
    normalised features for each word, followed by zeros up to the longest text.
    """

    def __init__(self, spec: TokensSpec, info: DataInfo) -> None:
        super().__init__(spec, info, spec.length)
        if spec.pooling == "none":
            self.tokens, self.size = spec.length, spec.length * spec.size
        if spec.width % spec.heads:
            raise ZooError(
                f"text.width={spec.width} is not a multiple of text.heads={spec.heads}", "change one of them"
            )
        self.vectors = word_vectors(len(self.known), spec.width)
        self.positions = nn.Parameter(torch.randn(spec.length, spec.width) * POSITION_STD)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.norm, self.out = nn.LayerNorm(spec.width), nn.Linear(spec.width, spec.size)

    def embed(self, rows: Tensor) -> Tensor:
        rows = rows[:, : self.length]
        used = rows != len(self.known)
        some = used.any(1, keepdim=True)
        x = self.vectors(rows) + self.positions[: rows.shape[1]]
        attended = used | ~some  # without any word to attend to, attention would not be finite
        for block in self.blocks:
            x = block(x, attended)
        x = self.norm(x) * used.unsqueeze(2)
        if self.tokens > 1:
            each = F.layer_norm(self.out(x).float(), self.out.weight.shape[:1]) * used.unsqueeze(2)
            return F.pad(each, (0, 0, 0, self.tokens - each.shape[1])).flatten(1)
        mean = x.sum(1) / used.sum(1, keepdim=True).clamp(min=1)
        return F.layer_norm(self.out(mean).float(), (self.size,)) / math.sqrt(self.size) * some
