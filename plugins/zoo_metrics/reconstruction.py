"""How much reconstructions are like the pictures that they are of."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

CHUNK = 500
"""Pictures that are compared at a time."""
PERFECT = 100.0
"""Decibels of a reconstruction that is exact, which would be infinite, or nearly so."""


def fidelity(real: Tensor, shown: Tensor) -> dict[str, float]:
    """`psnr` in decibels and `ssim`, means over pictures (N, C, H, W) with values 0..1 of those of each picture."""
    pairs = list(zip(torch.split(shown, CHUNK), torch.split(real, CHUNK), strict=True))
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
