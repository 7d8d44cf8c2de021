"""The residual convolutional encoder and decoder that the codecs share, for pictures of any size."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core import DataInfo, ZooError
from zoo.models import MIN_STD

Size = tuple[int, int]
WIDEST = 4
"""How many times the channels of the first resolution the lower ones have at most."""
GROUPS = 8
"""Groups of a GroupNorm, where the channels can be dealt so."""


class Plan(NamedTuple):
    """The resolutions that an encoder goes down and a decoder up again."""

    sizes: tuple[Size, ...]
    """Height and width of each, from the picture's own in patches on."""
    widths: tuple[int, ...]
    """Channels of each."""
    patch: int = 1
    """Pixels of a side of the squares whose numbers become channels."""

    @classmethod
    def of(cls, info: DataInfo, width: int, lowest: int = 4, patch: int = 1) -> Plan:
        """Halve (upwards where odd) as long as the shorter side stays at `lowest` or above."""
        _, height, breadth = info.shape
        if height % patch or breadth % patch:
            raise ZooError(
                f"{height}x{breadth} pictures cannot be divided into {patch}x{patch} patches", "change model.patch"
            )
        sizes = [(height // patch, breadth // patch)]
        while min(sizes[-1]) >= 2 * lowest:
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        return cls(tuple(sizes), tuple(width * min(2**level, WIDEST) for level in range(len(sizes))), patch)


class Residual(nn.Module):
    """GroupNorm, SiLU and a 3 x 3 convolution, twice, around which the input passes; (N, C, H, W) as it was."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*activated(channels, channels), *activated(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.body(x))


class Up(nn.Module):
    """Nearest neighbours at exactly `size`, then a 3 x 3 convolution."""

    def __init__(self, inputs: int, outputs: int, size: Size) -> None:
        super().__init__()
        self.size, self.conv = size, nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.interpolate(x, self.size)))


class Encoder(nn.Module):
    """Pictures with values 0..1, (N, C, H, W), to (N, outputs, h, w) at the plan's lowest resolution."""

    def __init__(self, info: DataInfo, plan: Plan, blocks: int, outputs: int) -> None:
        super().__init__()
        self.scaling = Scaling(info)
        depth = info.shape[0] * plan.patch**2
        parts: list[nn.Module] = [nn.PixelUnshuffle(plan.patch), nn.Conv2d(depth, plan.widths[0], 3, padding=1)]
        for level, width in enumerate(plan.widths):
            if level:
                parts.append(nn.Conv2d(plan.widths[level - 1], width, 3, stride=2, padding=1))
            parts += [Residual(width) for _ in range(blocks)]
        self.body = nn.Sequential(*parts, *activated(plan.widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.body(self.scaling(x)))


class Decoder(nn.Module):
    """(N, inputs, h, w) at the plan's lowest resolution to pictures (N, C, H, W) with values around 0..1."""

    def __init__(self, info: DataInfo, plan: Plan, blocks: int, inputs: int) -> None:
        super().__init__()
        self.scaling = Scaling(info)
        parts: list[nn.Module] = [nn.Conv2d(inputs, plan.widths[-1], 3, padding=1)]
        for level in reversed(range(len(plan.sizes))):
            width = plan.widths[level]
            if level < len(plan.sizes) - 1:
                parts.append(Up(plan.widths[level + 1], width, plan.sizes[level]))
            parts += [Residual(width) for _ in range(blocks)]
        last = activated(plan.widths[0], info.shape[0] * plan.patch**2)
        self.body = nn.Sequential(*parts, *last, nn.PixelShuffle(plan.patch))

    def forward(self, x: Tensor) -> Tensor:
        return self.scaling.back(self.body(x))


class Scaling(nn.Module):
    """Standardises pictures by the training pictures' mean and deviation, and takes that back."""

    mean: Tensor
    std: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        std = [max(value, MIN_STD) for value in info.std]
        self.register_buffer("mean", torch.tensor(info.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def back(self, y: Tensor) -> Tensor:
        """Standardised pictures as they were."""
        return y * self.std + self.mean


def activated(inputs: int, outputs: int) -> list[nn.Module]:
    """Norm, activation and a convolution that keeps height and width."""
    return [nn.GroupNorm(math.gcd(GROUPS, inputs), inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)]
