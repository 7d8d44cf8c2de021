"""Augmentation that hides a part of the picture, and rectangles as masks."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo import DataInfo
from zoo.core import to_device
from zoo.data import Augment
from zoo_augment.spec import CutoutSpec


class Cutout(Augment):
    """Fill a square around a random pixel, clipped at the edges, with the mean colour."""

    draws = 2

    def __init__(self, spec: CutoutSpec, info: DataInfo) -> None:
        self.size = max(1, info.shape[1] // 4) if spec.size == "auto" else spec.size
        self.mean = torch.tensor(info.mean).view(-1, 1, 1)

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        size = torch.full((1,), self.size, dtype=torch.int32, device=x.device)
        inside = rectangle(x, u[:, 0], u[:, 1], size, size)
        return torch.lerp(x, to_device(self.mean, x.device), inside)


def rectangle(x: Tensor, row: Tensor, column: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Mark a rectangle in each picture, clipped at the edges: 1 inside and 0 outside, (N, 1, H, W).

    Its centre is at shares (N,) of the picture's height and width, its sides are whole pixels.
    """
    lines = []
    for share, side, size in ((row, height, x.shape[2]), (column, width, x.shape[3])):
        first = ((share * size).int() - side // 2)[:, None]
        place = torch.arange(size, dtype=torch.int32, device=x.device)
        lines.append(((place >= first) & (place < first + side[:, None])).to(x.dtype))
    return (lines[0][:, :, None] * lines[1][:, None])[:, None]
