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
MAX_WIDENING = 4
"""Largest ratio of the channels at a lower resolution to those at the first."""
MAX_GROUPS = 8
"""Largest number of groups of a GroupNorm, lowered to a divisor of the channels."""


class Plan(NamedTuple):
    """The resolutions through which an encoder goes down, and a decoder up again."""

    sizes: tuple[Size, ...]
    """Height and width at each resolution, highest first."""
    widths: tuple[int, ...]
    """Channels at each resolution."""
    patch: int = 1
    """Side in pixels of the square patches that become channels."""

    @classmethod
    def of(cls, info: DataInfo, width: int, lowest: int = 4, patch: int = 1) -> Plan:
        """Plan to halve the size, rounding up, as long as the shorter side stays at least `lowest`."""
        _, height, breadth = info.shape
        if height % patch or breadth % patch:
            raise ZooError(
                f"{height}x{breadth} pictures cannot be divided into {patch}x{patch} patches", "change model.patch"
            )
        sizes = [(height // patch, breadth // patch)]
        while min(sizes[-1]) >= 2 * lowest:
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        return cls(tuple(sizes), tuple(width * min(2**level, MAX_WIDENING) for level in range(len(sizes))), patch)


class Residual(nn.Module):
    """A residual block: twice GroupNorm, SiLU and a 3 x 3 convolution.

    It keeps the shape (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*norm_act_conv(channels, channels), *norm_act_conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.body(x))


class Upsample(nn.Module):
    """Nearest-neighbour upsampling to exactly `size`, then a 3 x 3 convolution."""

    def __init__(self, inputs: int, outputs: int, size: Size) -> None:
        super().__init__()
        self.size, self.conv = size, nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.interpolate(x, self.size)))


class Encoder(nn.Module):
    """Map pictures (N, C, H, W) with values 0..1 to (N, outputs, h, w) at the plan's lowest resolution."""

    def __init__(self, info: DataInfo, plan: Plan, blocks: int, outputs: int) -> None:
        super().__init__()
        self.scaling = Scaling(info)
        depth = info.shape[0] * plan.patch**2
        parts: list[nn.Module] = [nn.PixelUnshuffle(plan.patch), nn.Conv2d(depth, plan.widths[0], 3, padding=1)]
        for level, width in enumerate(plan.widths):
            if level:
                parts.append(nn.Conv2d(plan.widths[level - 1], width, 3, stride=2, padding=1))
            parts += [Residual(width) for _ in range(blocks)]
        self.body = nn.Sequential(*parts, *norm_act_conv(plan.widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.body(self.scaling(x)))


class Decoder(nn.Module):
    """Map (N, inputs, h, w) at the plan's lowest resolution to pictures (N, C, H, W), values about 0..1."""

    def __init__(self, info: DataInfo, plan: Plan, blocks: int, inputs: int) -> None:
        super().__init__()
        self.scaling = Scaling(info)
        parts: list[nn.Module] = [nn.Conv2d(inputs, plan.widths[-1], 3, padding=1)]
        for level in reversed(range(len(plan.sizes))):
            width = plan.widths[level]
            if level < len(plan.sizes) - 1:
                parts.append(Upsample(plan.widths[level + 1], width, plan.sizes[level]))
            parts += [Residual(width) for _ in range(blocks)]
        last = norm_act_conv(plan.widths[0], info.shape[0] * plan.patch**2)
        self.body = nn.Sequential(*parts, *last, nn.PixelShuffle(plan.patch))

    def forward(self, x: Tensor) -> Tensor:
        return self.scaling.invert(self.body(x))


class Scaling(nn.Module):
    """Standardise pictures by the mean and standard deviation of the training pictures, or undo that."""

    mean: Tensor
    std: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        std = [max(value, MIN_STD) for value in info.std]
        self.register_buffer("mean", torch.tensor(info.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def invert(self, y: Tensor) -> Tensor:
        """Undo the standardisation of pictures."""
        return y * self.std + self.mean


def norm_act_conv(inputs: int, outputs: int) -> list[nn.Module]:
    """Build a norm, an activation and a convolution that keeps height and width."""
    return [nn.GroupNorm(math.gcd(MAX_GROUPS, inputs), inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)]
