"""Velocity networks of a continuous flow: residual blocks over vectors, and a transformer over the places of a map."""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo, ZooError
from zoo_priors.attention import Attention
from zoo_priors.scale import soft_clamp
from zoo_priors.spec import FlowSpec

FREQUENCIES = 16
"""Number of frequencies of the features of time, of up to four periods: few enough for ten steps of a solver."""
MAX_INPUT = 10.0
"""Limit of the inputs, so that codes far from 0 are not moved still further."""


class Embedding(nn.Module):
    """Embed time and context as the vector (N, width) that modulates each block."""

    frequencies: Tensor

    def __init__(self, context: int, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(0, 3, FREQUENCIES), persistent=False)
        self.time = nn.Linear(2 * FREQUENCIES, width)
        self.context = nn.Linear(context, width, bias=False)
        self.last = nn.Linear(width, width)

    def forward(self, t: Tensor, context: Tensor) -> Tensor:
        """Embed times (N, 1) from 0 to 1 and contexts (N, C)."""
        angles = t * self.frequencies
        features = self.time(torch.cat([angles.cos(), angles.sin()], 1)) + self.context(context)
        return nn.functional.silu(self.last(nn.functional.silu(features)))


class Modulation(nn.Module):
    """Shift, scale and gate of normalised features (adaLN-Zero, Peebles & Xie 2022, arXiv:2212.09748)."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, embedding: Tensor) -> list[Tensor]:
        """Compute the parts (N, width) from an embedding."""
        return list(self.linear(embedding).chunk(self.parts, 1))


class ResidualBlock(nn.Module):
    """A modulated MLP over vectors (N, width) with a residual connection."""

    renamed_parameters: ClassVar[dict[str, str]] = {"perceptron": "mlp"}

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = Modulation(width, 3)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(embedding)
        return cast(Tensor, x + gate * self.mlp(self.norm(x) * (1 + scale) + shift))


class VectorVelocity(nn.Module):
    """Residual blocks over vectors (N, D), modulated by time and context."""

    def __init__(self, size: int, context: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = Embedding(context, width)
        self.first = nn.Linear(size, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(layers))
        self.norm, self.last, self.gain = nn.LayerNorm(width), nn.Linear(width, size), width**-0.5
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """Map vectors (N, D) at times (N, 1) to vectors (N, D)."""
        embedding = self.embedding(t, context)
        hidden = self.first(soft_clamp(x, MAX_INPUT))
        for block in self.blocks:
            hidden = block(hidden, embedding)
        return cast(Tensor, self.gain * self.last(self.norm(hidden)))


class TokenBlock(nn.Module):
    """A modulated transformer block over a map, with a depthwise convolution before its MLP.

    The convolution shows each token its neighbours, as the Mix-FFN of SANA does (Xie et al. 2024, arXiv:2410.10629).
    """

    renamed_parameters: ClassVar[dict[str, str]] = {"perceptron": "mlp"}

    def __init__(self, width: int, heads: int, text: int = 0) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.modulation = Modulation(width, 6)
        self.attention = Attention(width, heads, causal=False, memory=text)
        self.near = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, x: Tensor, embedding: Tensor, side: tuple[int, int], text: Tensor | None) -> Tensor:
        """Map tokens (N, T, width) of a map with these sides to tokens of the same shape.

        They attend to the tokens (N, L, size) of a text as well.
        """
        shift, scale, gate, *rest = (part.unsqueeze(1) for part in self.modulation(embedding))
        x = x + gate * self.attention(self.norms[0](x) * (1 + scale) + shift, memory=text)
        shift, scale, gate = rest
        inner = self.norms[1](x) * (1 + scale) + shift
        near = self.near(inner.mT.unflatten(2, side)).flatten(2).mT
        return cast(Tensor, x + gate * self.mlp(inner + near))


class MapVelocity(nn.Module):
    """A transformer over patches of maps (C, H, W), given as vectors, modulated by time and context.

    With `text`, the number and the size of a text's tokens, it attends to these too. They follow the context, in the
    same vector.
    """

    renamed_parameters: ClassVar[dict[str, str]] = {"places": "positions"}

    def __init__(
        self,
        shape: tuple[int, ...],
        context: int,
        width: int,
        layers: int,
        heads: int,
        patch: int = 1,
        text: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.context, self.text = context, text
        channels, height, *rest = shape
        self.shape, self.patch = (channels, height, math.prod(rest)), patch
        self.side = (height // patch, math.prod(rest) // patch)
        size = channels * patch**2
        self.embedding = Embedding(context, width)
        self.first = nn.Linear(size, width)
        self.positions = nn.Parameter(place_features(self.side, width))
        self.blocks = nn.ModuleList(TokenBlock(width, heads, text[1] if text else 0) for _ in range(layers))
        self.norm, self.last, self.gain = nn.LayerNorm(width), nn.Linear(width, size), width**-0.5
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """Map vectors (N, D) at times (N, 1) to vectors (N, D)."""
        embedding = self.embedding(t, context[:, : self.context])
        text = context[:, self.context :].reshape(-1, *self.text) if self.text else None
        patches = nn.functional.pixel_unshuffle(soft_clamp(x, MAX_INPUT).reshape(-1, *self.shape), self.patch)
        tokens = self.first(patches.flatten(2).mT) + self.positions
        for block in self.blocks:
            # Blocks may be compiled, which pays off only for the batches of training: they have one size.
            run = block if self.training else block.forward
            tokens = run(tokens, embedding, self.side, text)
        found: Tensor = self.gain * self.last(self.norm(tokens))
        return nn.functional.pixel_shuffle(found.mT.reshape(*found.mT.shape[:2], *self.side), self.patch).flatten(1)


def place_features(side: tuple[int, int], width: int) -> Tensor:
    """Compute sine and cosine features (H * W, width) of the rows and columns of a map.

    They are as large as the tokens to which they are added, so that places are told apart from the first step on.
    """
    count = math.ceil(width / 4)
    angles = [torch.outer((torch.arange(size) + 0.5) / size * math.pi, torch.linspace(1, size, count)) for size in side]
    down, across = (torch.cat([each.sin(), each.cos()], 1) for each in angles)
    both = torch.cat([down.unsqueeze(1).expand(-1, side[1], -1), across.unsqueeze(0).expand(side[0], -1, -1)], 2)
    return both.flatten(0, 1)[:, :width].clone()


def build_velocity(spec: FlowSpec, code: CodeInfo) -> nn.Module:
    """Build the network for the shape of the codes: a transformer for maps, residual blocks for vectors."""
    if len(code.shape) > 1 and code.size > code.shape[0]:
        patch = spec.patch or 1
        rows, columns = code.shape[1], math.prod(code.shape[2:])
        if rows % patch or columns % patch:
            text = f"prior.patch={patch} does not divide the sides of a map of {rows}x{columns}"
            raise ZooError(text, "choose a divisor of both")
        words = (code.tokens, code.condition // code.tokens) if code.tokens > 1 else None
        return MapVelocity(code.shape, spec.context, spec.width, spec.layers, spec.heads, patch, words)
    if spec.patch is not None:
        raise ZooError("prior.patch is for maps; these codes are vectors", "leave it out, or set model.form=map")
    return VectorVelocity(code.size, spec.context, spec.width, spec.layers)
