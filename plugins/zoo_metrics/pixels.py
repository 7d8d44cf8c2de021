"""Metrics of the pixels: fidelity of reconstructions, and fine detail beside that of real pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

PAIRS = 500
"""Pictures that are compared at a time."""
PERFECT = 100.0
"""Decibels of a reconstruction that is exact, which would be infinite, or nearly so."""


def fidelity(real: Tensor, shown: Tensor) -> dict[str, float]:
    """`psnr` in decibels and `ssim`, means over pictures (N, C, H, W) with values 0..1 of those of each picture."""
    pairs = list(zip(torch.split(shown, PAIRS), torch.split(real, PAIRS), strict=True))
    signal = [psnr(one, other) for one, other in pairs]
    likeness = [ssim(one, other) for one, other in pairs]
    return {"psnr": torch.cat(signal).double().mean().item(), "ssim": torch.cat(likeness).double().mean().item()}


def psnr(shown: Tensor, real: Tensor) -> Tensor:
    """Peak signal-to-noise ratios (N,) in decibels."""
    found: Tensor = peak_signal_noise_ratio(shown, real, data_range=1.0, reduction="none", dim=(1, 2, 3))
    return found.clamp(max=PERFECT)


def ssim(shown: Tensor, real: Tensor) -> Tensor:
    """Structural similarities (N,) (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    The window is the paper's 11x11 with a deviation of 1.5 pixels, where the shorter side has 22 pixels or more. Of
    smaller pictures it is as much smaller: 5x5 with 0.55 for 8x8 ones. Pictures are mirrored at their borders.
    """
    sigma = 1.5 * min(1.0, min(real.shape[2:]) / 22)
    found = structural_similarity_index_measure(shown, real, sigma=sigma, data_range=1.0, reduction="none")
    assert isinstance(found, Tensor)
    return found


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
