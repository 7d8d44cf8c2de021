"""Losses of decoded pictures: the decoder's variance, perceptual distance and spectra."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core import Batch, DataInfo, Losses, ZooError
from zoo.models import Classifier, Features, as_float32, extract_features
from zoo_codecs.spec import CodecSpec

SPECTRUM_START, SPECTRUM_FULL = 0.5, 0.75
"""Shares of the training from which on spectra count, and count in full."""


MIN_AMPLITUDE = 1e-3
"""Amplitudes well below this, a quarter of a level, count as none."""


MIN_PIXEL_STD = 1 / 512
"""No deviation is below half a level of a picture: a density of whole levels has no bound otherwise."""


INITIAL_STD = 0.2
"""Where a learnt deviation begins."""


AVERAGE_SHARE = 0.01
"""Share of the newest batch in the average."""


class Variance(nn.Module):
    """A variance for all numbers of all pictures."""

    def forward(self, squared: Tensor) -> Tensor:
        """The variance, a scalar, given squared errors (N, C, H, W)."""
        raise NotImplementedError

    def nats(self, x: Tensor, decoded: Tensor) -> Tensor:
        """-log p (N,) of pictures x under normal distributions around those decoded, in float32."""
        squared = (as_float32(x) - as_float32(decoded)).square()
        variance: Tensor = self(squared)
        return ((squared / variance + (2 * math.pi * variance).log()) / 2).flatten(1).sum(1)


class Analytic(Variance):
    """The mean squared error of the batch in training, which is the likeliest; its average of late in evaluation."""

    average: Tensor
    count: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        start = sum(value**2 for value in info.std) / len(info.std)
        self.register_buffer("average", torch.tensor(max(start, MIN_PIXEL_STD**2)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, squared: Tensor) -> Tensor:
        """Without a gradient: at the likeliest variance there is none."""
        if not self.training:
            return self.average.clamp(min=MIN_PIXEL_STD**2)
        now = squared.detach().mean()
        self.count += 1
        self.average.lerp_(now, (1 / self.count).clamp(min=AVERAGE_SHARE))
        return now.clamp(min=MIN_PIXEL_STD**2)


class Learnt(Variance):
    """A parameter."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.log_std = nn.Parameter(torch.tensor(math.log(INITIAL_STD)))

    def forward(self, squared: Tensor) -> Tensor:
        """Whatever the errors are; the sum, unlike a maximum, has a gradient everywhere."""
        return (self.log_std.exp() + MIN_PIXEL_STD).square()


VARIANCES: dict[str, Callable[[DataInfo], Variance]] = {"analytic": Analytic, "learnt": Learnt}


class AuxiliaryLosses:
    """The losses beside the distortion that the options ask for; holds the teacher, which is no part of the model."""

    def __init__(self, spec: CodecSpec) -> None:
        self.spec = spec
        self.teacher: Classifier | None = None

    def losses(self, batch: Batch, decoded: Tensor) -> Losses:
        """Compute the weighted losses by name for decoded pictures (N, C, H, W)."""
        found: Losses = {}
        if self.spec.perceptual:
            step = self.spec.perceptual_every
            found["perceptual"] = self.spec.perceptual * self.perceptual(batch.x[::step], decoded[::step])
        if self.spec.spectrum:
            # Before codes tell most of a picture, amplitudes are had by noise, and codes learn less.
            share = min(1.0, max(0.0, (batch.done - SPECTRUM_START) / (SPECTRUM_FULL - SPECTRUM_START)))
            unlike = spectrum_nats(as_float32(batch.x), as_float32(decoded)) if share else decoded.new_zeros(())
            found["spectrum"] = self.spec.spectrum * share * unlike
        return found

    def perceptual(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute the perceptual distance in the teacher's features."""
        if self.teacher is None:
            raise ZooError("model.perceptual needs a teacher, which only exists in training", "set model.perceptual=0")
        with torch.no_grad():
            seen = extract_features(self.teacher, x)
        return perceptual_distance(seen, extract_features(self.teacher, decoded))


def perceptual_distance(a: Features, b: Features) -> Tensor:
    """Mean over resolutions of the squared distance of features of unit length at each place (arXiv:1801.03924)."""
    pairs = zip(a.maps, b.maps, strict=True)
    return torch.stack([(unit_length(one) - unit_length(two)).square().sum(1).mean() for one, two in pairs]).mean()


def unit_length(x: Tensor) -> Tensor:
    """A map (N, C, H, W) with vectors of length 1 at each place."""
    return F.normalize(as_float32(x), dim=1, eps=1e-4)


def spectrum_nats(x: Tensor, decoded: Tensor) -> Tensor:
    """How unlike spectra are, in nats under the variance of the batch."""
    return spectrum_error(x, decoded) / (2 * F.mse_loss(decoded, x).detach().clamp(min=MIN_PIXEL_STD**2))


def spectrum_error(x: Tensor, decoded: Tensor) -> Tensor:
    """The part of the mean squared error that amplitudes in bands of frequency make up (as in arXiv:2003.01826).

    Where detail cannot be told from the code, a decoder that learns from squared errors alone paints it too faintly,
    which is what makes pictures blurred. That a batch as a whole is to have the energy of the real one makes it paint
    what it does know more strongly, which costs far less squared error than noise of the same energy would.
    """
    (real, size), (drawn, _) = band_energies(x), band_energies(decoded)
    return ((drawn.sqrt() - real.sqrt()).square() * size).sum() / x[0, 0].numel()


def band_energies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean energy of a batch (N, C, H, W) in each band of frequency but the lowest, and frequencies in each."""
    band, count = frequency_bands(*x.shape[2:], x.device)
    energy = torch.fft.fft2(x, norm="ortho").abs().square().mean((0, 1))
    total = torch.zeros(len(count), device=x.device).index_add(0, band, energy.flatten())
    return (total / count.clamp(min=1) + MIN_AMPLITUDE**2)[1:], count[1:]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def frequency_bands(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The band of each frequency, int64 (H * W,), and how many are in each; kept, for counting waits for the device."""
    down, across = (torch.fft.fftfreq(size, device="cpu") for size in (height, width))
    band = (down[:, None].hypot(across) * max(height, width)).round().long().flatten()
    return band.to(device), torch.bincount(band).to(device)
