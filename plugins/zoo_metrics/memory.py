"""Whether samples are training pictures by heart: how near they come to any, beside how near real pictures come."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 2000
"""Training pictures that are compared at a time."""
RARE = 0.01
"""The share of real pictures that are as near to a training picture as a copy."""


def remembered(real: Tensor, drawn: Tensor, train: Tensor) -> dict[str, float]:
    """`memorisation` and `copies` of drawn pictures, from distances to the nearest training picture.

    `memorisation` is the median of samples over that of real pictures that were not trained on: well below 1 of copies.
    `copies` is the share of samples as near as the nearest 1 % of real pictures: about 0.01 of good samples, and hence
    only what is far above that is a sign. Both are blind to copies that are shifted or mirrored, and blurred
    pictures look like copies a little: real pictures of 32x32 averaged over 8x8 squares have `copies` of 0.15.
    """
    usual, found = nearest(real, train), nearest(drawn, train)
    copies = (found <= usual.quantile(RARE)).double().mean()
    return {"memorisation": (found.median() / usual.median()).item(), "copies": copies.item()}


def nearest(x: Tensor, train: Tensor) -> Tensor:
    """Root mean square distances (N,) of pictures float32 (N, C, H, W) to the nearest training picture, uint8."""
    flat = x.flatten(1)
    best, row = flat.new_full((len(flat),), -torch.inf), torch.zeros(len(flat), dtype=torch.int64)
    for start in range(0, len(train), CHUNK):
        part = values(train[start : start + CHUNK])
        # |x - t|^2 is smallest where x.t - |t|^2 / 2 is largest
        score, place = torch.addmm(part.square().sum(1) / -2, flat, part.T).max(1)
        row = torch.where(score > best, start + place, row)
        best = torch.maximum(score, best)
    # once more for the nearest alone: a difference of large products would not be 0 for a copy
    pairs = zip(torch.split(flat, CHUNK), torch.split(row, CHUNK), strict=True)
    return torch.cat([(part - values(train[rows])).square().mean(1).sqrt() for part, rows in pairs])


def values(pictures: Tensor) -> Tensor:
    """Pictures uint8 (N, C, H, W) as rows float32 (N, C*H*W) with values 0..1, as those of the gallery are."""
    return pictures.flatten(1).float() / 255
