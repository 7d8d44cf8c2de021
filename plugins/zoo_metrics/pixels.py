"""Metrics from pixels: fidelity of reconstructions, and sharpness relative to real pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from zoo.models import MAX_PSNR

PAIR_CHUNK = 500
"""Number of pictures that are compared at a time."""


def fidelity(real: Tensor, reconstructed: Tensor) -> dict[str, float]:
    """Compute the mean `psnr` in decibels and the mean `ssim` over pictures (N, C, H, W) with values 0..1."""
    pairs = list(zip(torch.split(reconstructed, PAIR_CHUNK), torch.split(real, PAIR_CHUNK), strict=True))
    signal = [psnr(one, other) for one, other in pairs]
    likeness = [ssim(one, other) for one, other in pairs]
    return {"psnr": torch.cat(signal).double().mean().item(), "ssim": torch.cat(likeness).double().mean().item()}


def psnr(reconstructed: Tensor, real: Tensor) -> Tensor:
    """Compute peak signal-to-noise ratios (N,) in decibels."""
    found: Tensor = peak_signal_noise_ratio(reconstructed, real, data_range=1.0, reduction="none", dim=(1, 2, 3))
    return found.clamp(max=MAX_PSNR)


def ssim(reconstructed: Tensor, real: Tensor) -> Tensor:
    """Compute structural similarities (N,) (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    If the shorter side has 22 pixels or more, the window is the paper's: 11x11 with a standard deviation of 1.5 pixels.
    For smaller pictures it shrinks in proportion: 5x5 with 0.55 for 8x8. Pictures are mirrored at their borders.
    """
    sigma = 1.5 * min(1.0, min(real.shape[2:]) / 22)
    found = structural_similarity_index_measure(reconstructed, real, sigma=sigma, data_range=1.0, reduction="none")
    assert isinstance(found, Tensor)
    return found


CHUNK = 500
"""Number of pictures that are measured at a time."""
MIN_HIGH_FREQUENCY = 0.25
"""High frequencies are above this many cycles per pixel; a checkerboard has 0.5 in either direction."""


def relative_sharpness(real: Tensor, generated: Tensor, reconstructed: Tensor) -> dict[str, float]:
    """Divide the mean sharpness of samples and of reconstructions by that of real pictures, all (N, C, H, W).

    A measure by which the real pictures are flat is left out.
    """
    measures = {"sharpness": high_frequency_energy, "sharpness_laplacian": laplacian_variance}
    found: dict[str, float] = {}
    for name, measure in measures.items():
        if base := mean_over(measure, real):
            found |= {
                name: mean_over(measure, generated) / base,
                f"{name}_reconstructions": mean_over(measure, reconstructed) / base,
            }
    return found


def mean_over(measure: Callable[[Tensor], Tensor], pictures: Tensor) -> float:
    """Average a measure of single pictures over a set of them."""
    return torch.cat([measure(part) for part in torch.split(pictures, CHUNK)]).double().mean().item()


def high_frequency_energy(x: Tensor) -> Tensor:
    """Compute the energy (N,) per channel at high frequencies in any direction."""
    height, width = x.shape[2:]
    high = torch.fft.fftfreq(height)[:, None].hypot(torch.fft.fftfreq(width)) > MIN_HIGH_FREQUENCY
    spectrum = torch.fft.fft2(x - x.mean((2, 3), keepdim=True), norm="ortho")
    energy: Tensor = (spectrum.abs().square() * high).sum((2, 3))
    return energy.mean(1)


def laplacian_variance(x: Tensor) -> Tensor:
    """Compute the variance (N,) of the Laplacian over each picture without its border, averaged over channels."""
    if min(x.shape[2:]) < 3:
        return x.new_zeros(len(x))
    vertical = x[..., :-2, 1:-1] + x[..., 2:, 1:-1]
    edges = vertical + x[..., 1:-1, :-2] + x[..., 1:-1, 2:] - 4 * x[..., 1:-1, 1:-1]
    return edges.flatten(2).var(2, correction=0).mean(1)
