"""The adversarial loss: a discriminator of patches, against which the decoder learns (as in arXiv:2012.09841)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core import DataInfo
from zoo.models import as_float32
from zoo_codecs.backbone import MAX_GROUPS, Scaling

SLOPE = 0.2
"""Slope of the activation for negative values."""
TINY = 1e-12


class Discriminator(nn.Module):
    """Tell pictures from decoded ones, patch by patch (PatchGAN, arXiv:1611.07004).

    It maps pictures (N, C, H, W) to scores (N, 1, h, w) of a quarter of the height and width, higher for real ones.
    """

    own_network = True

    def __init__(self, info: DataInfo, width: int) -> None:
        super().__init__()
        self.scaling = Scaling(info)
        self.body = nn.Sequential(
            nn.Conv2d(info.shape[0], width, 3, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            *strided(width, 2 * width, 2),
            *strided(2 * width, 2 * width, 1),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.body(self.scaling(x)))


def strided(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """Build a convolution, a norm and an activation."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    return [convolution, nn.GroupNorm(math.gcd(MAX_GROUPS, outputs), outputs), nn.LeakyReLU(SLOPE)]


def adversarial_loss(discriminator: Discriminator, x: Tensor, decoded: Tensor, weight: float) -> Tensor:
    """Compute the loss by which the discriminator and the decoder learn in the same step.

    The discriminator learns by the hinge loss, the decoder from the gradient of the scores of its pictures. That is
    scaled to `weight` times the norm of the gradient of the squared error under the variance of the batch, so that no
    weight has to be found for each data set; Esser et al. balance the two in the last layer.

    Args:
        discriminator: Tells real from decoded pictures.
        x: Real pictures (N, C, H, W), values 0..1.
        decoded: Their reconstructions, likewise.
        weight: Norm of the decoder's gradient, relative to that of the squared error.

    Returns:
        A scalar with both gradients. Its value is the hinge loss: 2 where real and decoded pictures look alike, and
        0 where they are told apart with certainty.
    """
    x, decoded = as_float32(x), as_float32(decoded)
    with torch.enable_grad():
        seen = decoded.detach().requires_grad_()
        fake = as_float32(discriminator(seen))
        wanted: Tensor = torch.autograd.grad(-fake.sum(), seen, retain_graph=True)[0]
    hinge = F.relu(1 + fake).mean() + F.relu(1 - as_float32(discriminator(x))).mean()
    squared = 1 / (F.mse_loss(seen.detach(), x) * x.numel()).clamp(min=TINY).sqrt()
    toward = weight * squared * wanted / wanted.norm().clamp(min=TINY)
    loss: Tensor = hinge + ((decoded - seen.detach()) * toward).sum()
    return loss
