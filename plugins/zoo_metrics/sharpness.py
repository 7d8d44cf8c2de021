"""Fine detail of pictures beside that of real ones, in absolute terms: a share of the whole would forgive noise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CHUNK = 500
"""Pictures that are looked at at a time."""
HIGH = 0.25
"""Cycles a pixel above which a frequency is high; a checkerboard has 0.5 in either direction."""


def relative(real: Tensor, drawn: Tensor, shown: Tensor) -> dict[str, float]:
    """Means over samples and reconstructions (N, C, H, W), over those of real pictures; none where these are flat."""
    ways = {"sharpness": high_energy, "sharpness_laplacian": laplacian_variance}
    found: dict[str, float] = {}
    for name, way in ways.items():
        if usual := mean(way, real):
            found |= {name: mean(way, drawn) / usual, f"{name}_reconstructions": mean(way, shown) / usual}
    return found


def mean(way: Callable[[Tensor], Tensor], pictures: Tensor) -> float:
    """The mean over pictures of what `way` finds in each."""
    return torch.cat([way(part) for part in torch.split(pictures, CHUNK)]).double().mean().item()


def high_energy(x: Tensor) -> Tensor:
    """Energy (N,) a channel at high frequencies, in whatever direction."""
    height, width = x.shape[2:]
    high = torch.fft.fftfreq(height)[:, None].hypot(torch.fft.fftfreq(width)) > HIGH
    spectrum = torch.fft.fft2(x - x.mean((2, 3), keepdim=True), norm="ortho")
    energy: Tensor = (spectrum.abs().square() * high).sum((2, 3))
    return energy.mean(1)


def laplacian_variance(x: Tensor) -> Tensor:
    """Variance (N,) over a picture of what the Laplacian gives, a mean over channels; borders are left out."""
    if min(x.shape[2:]) < 3:
        return x.new_zeros(len(x))
    vertical = x[..., :-2, 1:-1] + x[..., 2:, 1:-1]
    edges = vertical + x[..., 1:-1, :-2] + x[..., 1:-1, 2:] - 4 * x[..., 1:-1, 1:-1]
    return edges.flatten(2).var(2, correction=0).mean(1)
