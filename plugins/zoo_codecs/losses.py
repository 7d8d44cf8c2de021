"""Losses of decoded pictures: likelihood under the decoder's variance, and the optional ones besides."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core import Batch, DataInfo, Losses, ZooError
from zoo.models import Classifier, Features, as_float32, extract_features
from zoo_codecs.adversarial import Discriminator, adversarial_loss
from zoo_codecs.spec import CodecSpec

LATE_START, LATE_FULL = 0.5, 0.75
"""Shares of the training after which the spectral and adversarial losses set in, and have their full weight."""
MIN_AMPLITUDE = 1e-3
"""Amplitude far below which a difference does not count: a quarter of a grey level."""
MIN_PIXEL_STD = 1 / 512
"""Smallest standard deviation, half a grey level; below it the density of discrete levels would be unbounded."""
INITIAL_STD = 0.2
"""Initial value of a learnt standard deviation."""
AVERAGE_SHARE = 0.01
"""Weight of the newest batch in the moving average."""


class Variance(nn.Module):
    """Base class of decoder variances, which all pixels and channels share."""

    def forward(self, squared: Tensor) -> Tensor:
        """Return the variance, a scalar, for squared errors (N, C, H, W)."""
        raise NotImplementedError

    def nats(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute -log p (N,) of pictures x under normal distributions around the decoded ones, in float32."""
        squared = (as_float32(x) - as_float32(decoded)).square()
        variance: Tensor = self(squared)
        return ((squared / variance + (2 * math.pi * variance).log()) / 2).flatten(1).sum(1)


class Analytic(Variance):
    """The maximum-likelihood variance: the batch's mean squared error; in evaluation its moving average."""

    average: Tensor
    count: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        start = sum(value**2 for value in info.std) / len(info.std)
        self.register_buffer("average", torch.tensor(max(start, MIN_PIXEL_STD**2)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, squared: Tensor) -> Tensor:
        """Return the variance without a gradient, since the gradient vanishes at the maximum."""
        if not self.training:
            return self.average.clamp(min=MIN_PIXEL_STD**2)
        now = squared.detach().mean()
        self.count += 1
        self.average.lerp_(now, (1 / self.count).clamp(min=AVERAGE_SHARE))
        return now.clamp(min=MIN_PIXEL_STD**2)


class Learnt(Variance):
    """A variance that is a parameter of the model."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.log_std = nn.Parameter(torch.tensor(math.log(INITIAL_STD)))

    def forward(self, squared: Tensor) -> Tensor:
        """Return the variance, independent of the errors; adding the minimum, unlike clamping, keeps the gradient."""
        return (self.log_std.exp() + MIN_PIXEL_STD).square()


VARIANCES: dict[str, Callable[[DataInfo], Variance]] = {"analytic": Analytic, "learnt": Learnt}


class AuxiliaryLosses:
    """Optional losses besides the distortion; keeps the teacher, which is not part of the model."""

    def __init__(self, spec: CodecSpec, discriminator: Discriminator | None = None) -> None:
        self.spec, self.discriminator = spec, discriminator
        self.teacher: Classifier | None = None

    def losses(self, batch: Batch, decoded: Tensor) -> Losses:
        """Compute the weighted losses by name for decoded pictures (N, C, H, W)."""
        found: Losses = {}
        if self.spec.perceptual or self.spec.scores:
            step = self.spec.perceptual_every
            found |= self.by_teacher(batch.x[::step], decoded[::step])
        # Early in training, before codes describe most of a picture, noise would satisfy the late losses.
        share = min(1.0, max(0.0, (batch.done - LATE_START) / (LATE_FULL - LATE_START)))
        if self.spec.spectrum:
            nats = spectrum_nats(as_float32(batch.x), as_float32(decoded)) if share else decoded.new_zeros(())
            found["spectrum"] = self.spec.spectrum * share * nats
        if self.discriminator is not None and self.spec.adversarial:
            weight = self.spec.adversarial * share
            found["adversarial"] = (
                adversarial_loss(self.discriminator, batch.x, decoded, weight) if share else decoded.new_zeros(())
            )
        return found

    def by_teacher(self, x: Tensor, decoded: Tensor) -> Losses:
        """Compute the weighted losses in the features and scores of the teacher."""
        if self.teacher is None:
            name = "perceptual" if self.spec.perceptual else "scores"
            raise ZooError(f"model.{name} needs a teacher, which only exists in training", f"drop model.{name}")
        with torch.no_grad():
            target = extract_features(self.teacher, x)
        seen = extract_features(self.teacher, decoded)
        found: Losses = {}
        if self.spec.perceptual:
            found["perceptual"] = self.spec.perceptual * perceptual_distance(target, seen)
        if self.spec.scores:
            found["scores"] = self.spec.scores * score_divergence(target, seen)
        return found


def score_divergence(a: Features, b: Features) -> Tensor:
    """Average the divergence of class probabilities from those of a, in nats."""
    wanted, found = (as_float32(each.scores).log_softmax(1) for each in (a, b))
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True)


def perceptual_distance(a: Features, b: Features) -> Tensor:
    """Average the squared distances of unit-length features over positions and resolutions (arXiv:1801.03924)."""
    pairs = zip(a.maps, b.maps, strict=True)
    return torch.stack([(unit_length(one) - unit_length(two)).square().sum(1).mean() for one, two in pairs]).mean()


def unit_length(x: Tensor) -> Tensor:
    """Scale the vectors at all positions of a map (N, C, H, W) to length 1."""
    return F.normalize(as_float32(x), dim=1, eps=1e-4)


def spectrum_nats(x: Tensor, decoded: Tensor) -> Tensor:
    """Compute the spectral loss in nats, under the variance of the batch."""
    return spectrum_error(x, decoded) / (2 * F.mse_loss(decoded, x).detach().clamp(min=MIN_PIXEL_STD**2))


def spectrum_error(x: Tensor, decoded: Tensor) -> Tensor:
    """Compute the part of the mean squared error due to amplitudes in frequency bands (as in arXiv:2003.01826).

    Detail that the code does not determine comes out too faint from a decoder that minimises squared errors only, and
    pictures look blurred. Asking for the energy of the real batch makes the decoder amplify the detail that it can
    predict, which costs far less squared error than noise of the same energy would.
    """
    (real, size), (found, _) = band_energies(x), band_energies(decoded)
    return ((found.sqrt() - real.sqrt()).square() * size).sum() / x[0, 0].numel()


def band_energies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean energy of a batch (N, C, H, W) in each frequency band, and the size of each band.

    The lowest band, which is the mean of a picture, is left out.
    """
    band, count = frequency_bands(*x.shape[2:], x.device)
    energy = torch.fft.fft2(x, norm="ortho").abs().square().mean((0, 1))
    total = torch.zeros(len(count), device=x.device).index_add(0, band, energy.flatten())
    return (total / count.clamp(min=1) + MIN_AMPLITUDE**2)[1:], count[1:]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def frequency_bands(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Compute the band of each frequency, int64 (H * W,), and the size of each band.

    The result is cached, because counting synchronises with the device.
    """
    down, across = (torch.fft.fftfreq(size, device="cpu") for size in (height, width))
    band = (down[:, None].hypot(across) * max(height, width)).round().long().flatten()
    return band.to(device), torch.bincount(band).to(device)
