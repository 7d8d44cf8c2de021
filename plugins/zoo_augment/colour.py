"""Augmentation of colours, and what it is made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo import DataInfo, ZooError
from zoo.core import to_device
from zoo.data import Augment
from zoo_augment.spec import ColourJitterSpec

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""Luma and chroma from red, green and blue."""
SATURATION = 0.4
"""Default for colour pictures."""


class ColourJitter(Augment):
    """Change brightness, contrast, saturation and hue of each picture: one affine map of its colours, then clipped."""

    draws = 4

    def __init__(self, spec: ColourJitterSpec, info: DataInfo) -> None:
        colour = info.shape[0] == 3
        if not colour and (spec.saturation or spec.hue):
            text = f"colour-jitter: {'hue' if spec.hue else 'saturation'} needs pictures with 3 channels"
            raise ZooError(text, "leave it out, or set data.channels=3 for pictures in files")
        saturation = (SATURATION if colour else 0.0) if spec.saturation is None else spec.saturation
        self.spread = torch.tensor([spec.brightness, spec.contrast, saturation, spec.hue])
        self.luma = torch.tensor(LUMA if colour else (1 / info.shape[0],) * info.shape[0])
        self.to_yiq = torch.tensor(YIQ)
        self.from_yiq: Tensor = torch.linalg.inv(self.to_yiq)  # here, since it would wait for the device
        self.turns, self.saturates = spec.hue > 0, saturation > 0

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        away = (u * 2 - 1) * to_device(self.spread, u.device)
        bright, contrast, saturation = (1 + away[:, :3]).unbind(1)
        luma = to_device(self.luma, x.device)
        count, channels, height, width = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(count, -1, channels)
        grey = (flat.mean(1) @ luma) * bright
        scale, offset = bright * contrast, grey * (1 - contrast)
        if not (self.saturates or self.turns):
            return x.mul(scale.view(-1, 1, 1, 1)).add_(offset.view(-1, 1, 1, 1)).clamp_(0, 1)
        # greys stay as they are under both maps, so that the offset is not changed by them
        matrix = saturation_matrix(saturation, luma)
        if self.turns:
            to_yiq, from_yiq = (to_device(each, x.device) for each in (self.to_yiq, self.from_yiq))
            matrix = hue_matrix(away[:, 3], to_yiq, from_yiq) @ matrix
        y = torch.baddbmm(offset.view(-1, 1, 1), flat, (matrix * scale[:, None, None]).transpose(1, 2))
        return y.clamp_(0, 1).view(count, height, width, channels).permute(0, 3, 1, 2)


def saturation_matrix(factor: Tensor, luma: Tensor) -> Tensor:
    """Make maps of colours (N, C, C) that multiply the distance from grey by factors (N,)."""
    factor = factor[:, None, None]
    return factor * torch.eye(len(luma), device=luma.device) + (1 - factor) * luma


def hue_matrix(turn: Tensor, to_yiq: Tensor, from_yiq: Tensor) -> Tensor:
    """Make maps of colours (N, 3, 3) that turn the chroma plane of YIQ by shares (N,) of a circle."""
    angle = turn * (2 * math.pi)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = [(one, zero, zero), (zero, cos, -sin), (zero, sin, cos)]
    rotation = torch.stack([torch.stack(row, 1) for row in rows], 1)
    return from_yiq @ rotation @ to_yiq
