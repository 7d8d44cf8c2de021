"""The variational autoencoder."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from zoo.core import Batch, CodeInfo, DataInfo, Losses
from zoo.models import Classifier, LatentModel, Posterior, as_float32
from zoo_codecs.adversarial import Discriminator
from zoo_codecs.backbone import Decoder, Encoder, Plan, Size
from zoo_codecs.losses import AVERAGE_SHARE, VARIANCES, AuxiliaryLosses
from zoo_codecs.spec import VAESpec

MAX_LOG_STD = 8.0
"""Largest absolute value of the logarithm of a posterior's standard deviation."""
MIN_VARIANCE = 1e-5
"""What is added to the variance of a channel before codes are divided by its root."""
LOWEST = 4
"""Smallest number of rows and columns of the lowest resolution, unless the options set it."""


class VAE(LatentModel):
    """A variational autoencoder with vector or map codes and a calibrated decoder (arXiv:2006.13202)."""

    steps: Tensor

    def __init__(self, spec: VAESpec, info: DataInfo) -> None:
        super().__init__()
        self.spec, plan = spec, Plan.of(info, spec.width, spec.lowest or LOWEST, spec.patch)
        lowest, channels = plan.sizes[-1], plan.widths[-1]
        vector = spec.form == "vector"
        self.code = CodeInfo((spec.latent,) if vector else (spec.latent, *lowest))
        found = spec.latent if spec.noise else 2 * spec.latent
        self.encoder = Encoder(info, plan, spec.blocks, channels if vector else found)
        self.decoder = Decoder(info, plan, spec.blocks, channels if vector else spec.latent)
        self.down: nn.Module = linear_down(channels, lowest, found) if vector else nn.Identity()
        self.up: nn.Module = linear_up(spec.latent, channels, lowest) if vector else nn.Identity()
        self.variance = VARIANCES[spec.variance](info)
        if spec.noise:
            self.standardise = Standardise(spec.latent)
        weighted = spec.objective == "weighted"
        self.discriminator = Discriminator(info, spec.width) if spec.adversarial and weighted else None
        self.auxiliary = AuxiliaryLosses(spec, self.discriminator)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def teacher(self) -> str:
        return self.spec.teacher if self.spec.needs_teacher and self.spec.objective == "weighted" else ""

    def learn_from(self, teacher: Classifier) -> None:
        self.auxiliary.teacher = teacher

    def encode(self, x: Tensor) -> Posterior:
        found = self.down(self.encoder(x))
        if self.spec.noise:
            mean = self.standardise(as_float32(found))
            return Posterior(mean, torch.full_like(mean, math.log(self.spec.noise)))
        mean, raw = found.chunk(2, 1)
        return Posterior(mean, MAX_LOG_STD * torch.tanh(as_float32(raw) / MAX_LOG_STD))

    def decode(self, code: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.up(code)))

    def distortion(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute -log p(x | code) (N,) in nats, under normal distributions around the decoded pictures."""
        return self.variance.nats(x, decoded)

    def learn(self, batch: Batch) -> tuple[Posterior | Tensor, Tensor, Losses]:
        if self.training:
            self.steps += 1
        if self.spec.noise:
            self.standardise.follows = True
        posterior, decoded, further = super().learn(batch)
        if self.spec.noise:
            self.standardise.follows = False
        if self.spec.objective == "weighted":
            further |= self.auxiliary.losses(batch, decoded)
        return posterior, decoded, further

    def rate(self, rate: Tensor) -> Tensor:
        """Apply warm-up, free bits and beta to the mean rate, unless objective=elbo."""
        spec = self.spec
        if spec.objective == "elbo":
            return rate
        if spec.free_bits:
            rate = rate.clamp(min=spec.free_bits * self.code.size)
        share = (self.steps / spec.warmup).clamp(max=1) if spec.warmup else 1.0
        return spec.beta * share * rate


class Standardise(nn.Module):
    """Standardise codes by the mean and variance of each channel: in training of the batch, otherwise their averages.

    The statistics follow the encoder (batch normalisation, arXiv:1502.03167, without scale and bias), so that a prior
    trained later finds codes of mean 0 and variance 1. Only codes of training pictures count, not those of the
    pseudo-pictures of a prior.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.follows = False

    def forward(self, code: Tensor) -> Tensor:
        """Standardise codes (N, channels, ...) in float32."""
        mean, variance = self.mean, self.variance
        if self.training and self.follows:
            variance, mean = torch.var_mean(code, [0, *range(2, code.ndim)], correction=0)
            self.count += 1
            share = (1 / self.count).clamp(min=AVERAGE_SHARE)
            self.mean.lerp_(mean.detach(), share)
            self.variance.lerp_(variance.detach(), share)
        shape = (-1, *(1,) * (code.ndim - 2))
        return (code - mean.view(shape)) * (variance + MIN_VARIANCE).rsqrt().view(shape)


def linear_down(channels: int, size: Size, outputs: int) -> nn.Module:
    """Build a linear map from features (N, channels, h, w) to a vector (N, outputs)."""
    return nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(channels * math.prod(size), outputs))


def linear_up(latent: int, channels: int, size: Size) -> nn.Module:
    """Build a linear map from a vector (N, latent) to features (N, channels, h, w)."""
    return nn.Sequential(nn.Linear(latent, channels * math.prod(size)), nn.Unflatten(1, (channels, *size)))
