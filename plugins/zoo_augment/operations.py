"""Operations on the levels of pictures (N, C, H, W), values 0..1, with a strength (N,) for each picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_augment.colour import LUMA

BRIGHTEST = 255
"""The highest level of a picture in bytes, in which some operations count."""


def blend(x: Tensor, other: Tensor, change: Tensor) -> Tensor:
    """Move pictures away from others by factors 1 + `change`, clipped."""
    return torch.lerp(other, x, (1 + change).view(-1, 1, 1, 1)).clamp_(0, 1)


def grey(x: Tensor) -> Tensor:
    """Compute the luma (N, 1, H, W); the mean of the channels if these are not red, green and blue."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = x.unbind(1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])[:, None]


def brighten(x: Tensor, change: Tensor) -> Tensor:
    """Multiply by 1 + `change`."""
    return (x * (1 + change).view(-1, 1, 1, 1)).clamp_(0, 1)


def change_contrast(x: Tensor, change: Tensor) -> Tensor:
    """Move all pixels away from the picture's mean grey."""
    return blend(x, grey(x).mean((1, 2, 3), keepdim=True).expand_as(x), change)


def saturate(x: Tensor, change: Tensor) -> Tensor:
    """Move each pixel away from its grey."""
    return blend(x, grey(x).expand_as(x), change)


def sharpen(x: Tensor, change: Tensor) -> Tensor:
    """Move inner pixels away from their smoothed values; those at the edge stay."""
    if min(x.shape[2:]) < 3:
        return x
    # the kernel is 1 everywhere and 5 in the middle
    smooth = x.clone()
    smooth[:, :, 1:-1, 1:-1] = (F.avg_pool2d(x, 3, stride=1) * 9 + x[:, :, 1:-1, 1:-1] * 4) / 13
    return blend(x, smooth, change)


def posterize(x: Tensor, bits: Tensor) -> Tensor:
    """Set the lowest bits of each level to 0; their number is rounded."""
    step = 2.0 ** bits.round().view(-1, 1, 1, 1)
    return (levels(x) / step).floor_() * (step / BRIGHTEST)


def solarize(x: Tensor, strength: Tensor) -> Tensor:
    """Invert all levels from 1 - `strength` on."""
    return torch.where(x >= (1 - strength).view(-1, 1, 1, 1), 1 - x, x)


def stretch_contrast(x: Tensor, _: Tensor) -> Tensor:
    """Stretch each channel to 0..1; a channel of one level stays."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    flat = high <= low
    scale = 1 / torch.where(flat, 1.0, high - low)
    return ((x - torch.where(flat, 0.0, low)) * scale).clamp_(0, 1)


def equalize(x: Tensor, _: Tensor) -> Tensor:
    """Make the levels of each channel equally frequent, as Pillow does."""
    count, channels, height, width = x.shape
    level = levels(x).long().reshape(count * channels, -1)
    first = torch.arange(0, len(level) * 256, 256, device=x.device)[:, None]
    ones = torch.ones(1, dtype=torch.int32, device=x.device).expand(level.numel())
    histogram = torch.zeros(len(level) * 256, dtype=torch.int32, device=x.device)
    histogram = histogram.scatter_add_(0, (level + first).view(-1), ones).view(-1, 256)
    last = histogram.gather(1, level.amax(1, keepdim=True))
    step = (height * width - last) // BRIGHTEST
    before = histogram.cumsum(1) - histogram
    table = ((before + step // 2) // step.clamp(min=1)).clamp_(max=BRIGHTEST)
    table = torch.where(step > 0, table, torch.arange(256, device=x.device))
    return (table.gather(1, level).to(x.dtype) / BRIGHTEST).view_as(x)


def levels(x: Tensor) -> Tensor:
    """Convert values to levels 0..255, as float."""
    return (x * BRIGHTEST).round_()
