"""Resize pictures as the zoo does with Pillow, by two matrix products that any format has."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

MAX_LEVEL = 255


class Resizing(nn.Module):
    """Bring uint8 pictures (N, H, W, C) of any size to float32 (N, C, height, width) with values 0..1.

    Pillow's bilinear filter, which widens when a picture shrinks, is linear along each axis, so it is a matrix whose
    entries depend on the size alone. Like Pillow, it rounds to whole levels after each axis. Pictures that have the
    right size are unchanged.
    """

    def __init__(self, height: int, width: int, fit: Literal["crop", "squash"]) -> None:
        super().__init__()
        self.height, self.width, self.fit = height, width, fit

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures.permute(0, 3, 1, 2).float()
        rows, columns = (torch.arange(side, dtype=torch.float64) + 0.5 for side in x.shape[2:])
        height, width = rows[-1] + 0.5, columns[-1] + 0.5
        kept_height, kept_width = self.kept_size(height, width)
        across = filter_weights(columns, (width - kept_width) / 2, kept_width, self.width)
        down = filter_weights(rows, (height - kept_height) / 2, kept_height, self.height)
        return round_half_up(down @ round_half_up(x @ across.mT)) / MAX_LEVEL

    def kept_size(self, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """Compute height and width of the part of a picture that is kept: all, or the largest of the right ratio."""
        if self.fit == "squash":
            return height, width
        ratio = self.width / self.height
        return torch.minimum(height, width / ratio), torch.minimum(width, height * ratio)


def filter_weights(places: Tensor, start: Tensor, length: Tensor, count: int) -> Tensor:
    """Compute the weights float32 (count, lines) of lines centred at `places` in each of `count` new lines.

    The new lines divide the part of the picture from `start` on into equal parts. The distances are computed in
    float64, as large pictures need.
    """
    scale = length / count
    centres = start + (torch.arange(count, dtype=torch.float64) + 0.5) * scale
    distance = (places - centres.unsqueeze(1)).abs() / scale.clamp(min=1)
    weights = (1 - distance).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


def round_half_up(x: Tensor) -> Tensor:
    """Round levels to whole numbers as Pillow does; torch's own rounding takes halves to even numbers."""
    return (x + 0.5).floor()
