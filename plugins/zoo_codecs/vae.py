"""The variational autoencoder."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from zoo.core import Batch, CodeInfo, DataInfo, Losses
from zoo.models import Classifier, LatentModel, Posterior, as_float32
from zoo_codecs.backbone import Decoder, Encoder, Plan, Size
from zoo_codecs.losses import VARIANCES, AuxiliaryLosses
from zoo_codecs.spec import VAESpec

MAX_LOG_STD = 8.0
"""Largest absolute value of the logarithm of a posterior's standard deviation."""


class VAE(LatentModel):
    """A variational autoencoder with vector or map codes and a calibrated decoder (arXiv:2006.13202)."""

    steps: Tensor

    def __init__(self, spec: VAESpec, info: DataInfo) -> None:
        super().__init__()
        self.spec, plan = spec, Plan.of(info, spec.width, patch=spec.patch)
        lowest, channels = plan.sizes[-1], plan.widths[-1]
        vector = spec.form == "vector"
        self.code = CodeInfo((spec.latent,) if vector else (spec.latent, *lowest))
        self.encoder = Encoder(info, plan, spec.blocks, channels if vector else 2 * spec.latent)
        self.decoder = Decoder(info, plan, spec.blocks, channels if vector else spec.latent)
        self.down, self.up = linear_maps(channels, lowest, spec.latent) if vector else (nn.Identity(), nn.Identity())
        self.variance = VARIANCES[spec.variance](info)
        self.auxiliary = AuxiliaryLosses(spec)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def teacher(self) -> str:
        return self.spec.teacher if self.spec.perceptual and self.spec.objective == "weighted" else ""

    def learn_from(self, teacher: Classifier) -> None:
        self.auxiliary.teacher = teacher

    def encode(self, x: Tensor) -> Posterior:
        mean, raw = self.down(self.encoder(x)).chunk(2, 1)
        return Posterior(mean, MAX_LOG_STD * torch.tanh(as_float32(raw) / MAX_LOG_STD))

    def decode(self, code: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.up(code)))

    def distortion(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute -log p(x | code) (N,) in nats, under normal distributions around the decoded pictures."""
        return self.variance.nats(x, decoded)

    def learn(self, batch: Batch) -> tuple[Posterior | Tensor, Tensor, Losses]:
        if self.training:
            self.steps += 1
        posterior, decoded, further = super().learn(batch)
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


def linear_maps(channels: int, size: Size, latent: int) -> tuple[nn.Module, nn.Module]:
    """Build linear maps from features (N, channels, h, w) to mean and deviation of a vector, and back."""
    features = channels * math.prod(size)
    down = nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(features, 2 * latent))
    return down, nn.Sequential(nn.Linear(latent, features), nn.Unflatten(1, (channels, *size)))
