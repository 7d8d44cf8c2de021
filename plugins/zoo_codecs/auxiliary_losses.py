"""What decoded pictures are compared by beside their numbers: what a teacher sees, and their spectra."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.core import Batch, Losses, ZooError
from zoo.models import Classifier, Features, as_float32, features
from zoo_codecs.spec import CodecSpec
from zoo_codecs.variance import LEAST

FROM, FULL = 0.5, 0.75
"""Shares of the training from which on spectra count, and count in full."""
FAINTEST = 1e-3
"""Amplitudes well below this, a quarter of a level, count as none."""


class AuxiliaryLosses:
    """The losses beside the distortion that the options ask for; holds the teacher, which is no part of the model."""

    def __init__(self, spec: CodecSpec) -> None:
        self.spec = spec
        self.teacher: Classifier | None = None

    def losses(self, batch: Batch, shown: Tensor) -> Losses:
        """Weighted scalars by name, for what pictures are decoded to, (N, C, H, W)."""
        found: Losses = {}
        if self.spec.perceptual:
            step = self.spec.perceptual_every
            found["perceptual"] = self.spec.perceptual * self.perceptual(batch.x[::step], shown[::step])
        if self.spec.spectrum:
            # Before codes tell most of a picture, amplitudes are had by noise, and codes learn less.
            share = min(1.0, max(0.0, (batch.done - FROM) / (FULL - FROM)))
            unlike = spectrum(as_float32(batch.x), as_float32(shown)) if share else shown.new_zeros(())
            found["spectrum"] = self.spec.spectrum * share * unlike
        return found

    def perceptual(self, x: Tensor, shown: Tensor) -> Tensor:
        """The distance in the teacher's features."""
        if self.teacher is None:
            raise ZooError("model.perceptual needs a teacher, which only a training gives", "set model.perceptual=0")
        with torch.no_grad():
            seen = features(self.teacher, x)
        return distance(seen, features(self.teacher, shown))


def distance(a: Features, b: Features) -> Tensor:
    """Mean over resolutions of the squared distance of features of unit length at each place (arXiv:1801.03924)."""
    pairs = zip(a.maps, b.maps, strict=True)
    return torch.stack([(unit(one) - unit(two)).square().sum(1).mean() for one, two in pairs]).mean()


def unit(x: Tensor) -> Tensor:
    """A map (N, C, H, W) with vectors of length 1 at each place."""
    return F.normalize(as_float32(x), dim=1, eps=1e-4)


def spectrum(x: Tensor, shown: Tensor) -> Tensor:
    """How unlike spectra are, in nats under the variance of the batch."""
    return unlike_spectra(x, shown) / (2 * F.mse_loss(shown, x).detach().clamp(min=LEAST**2))


def unlike_spectra(x: Tensor, shown: Tensor) -> Tensor:
    """The part of the mean squared error that amplitudes in bands of frequency make up (as in arXiv:2003.01826).

    Where detail cannot be told from the code, a decoder that learns from squared errors alone paints it too faintly,
    which is what makes pictures blurred. That a batch as a whole is to have the energy of the real one makes it paint
    what it does know more strongly, which costs far less squared error than noise of the same energy would.
    """
    (real, size), (drawn, _) = energies(x), energies(shown)
    return ((drawn.sqrt() - real.sqrt()).square() * size).sum() / x[0, 0].numel()


def energies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean energy of a batch (N, C, H, W) in each band of frequency but the lowest, and frequencies in each."""
    band, count = bands(*x.shape[2:], x.device)
    energy = torch.fft.fft2(x, norm="ortho").abs().square().mean((0, 1))
    total = torch.zeros(len(count), device=x.device).index_add(0, band, energy.flatten())
    return (total / count.clamp(min=1) + FAINTEST**2)[1:], count[1:]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def bands(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The band of each frequency, int64 (H * W,), and how many are in each; kept, for counting waits for the device."""
    down, across = (torch.fft.fftfreq(size, device="cpu") for size in (height, width))
    band = (down[:, None].hypot(across) * max(height, width)).round().long().flatten()
    return band.to(device), torch.bincount(band).to(device)
