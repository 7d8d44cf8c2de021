"""TrivialAugment: one operation for each picture, of random strength (Müller and Hutter 2021, arXiv:2103.10158)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo import DataInfo
from zoo.data import Augment, OneOf
from zoo_augment import operations as op
from zoo_augment.geometry import affine_matrix, warp
from zoo_augment.spec import TrivialAugmentSpec

LEVELS = 30
"""Strengths are in this many steps."""
MAX_SHEAR, MAX_SHIFT, MAX_DEGREES, MAX_FACTOR = 0.99, 32, 135.0, 0.99
"""The paper's wide space: tangent of the shear, shift in pixels, rotation, and change of a colour factor."""
MAX_BITS = 6
"""Most bits that posterize takes away."""


class Operation(Augment):
    """An operation with a strength for each picture."""

    draws = 2

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], limit: float, *, signed: bool) -> None:
        self.function, self.limit, self.signed = function, limit, signed

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        level = (u[:, 0] * (LEVELS + 1)).floor_().clamp_(max=LEVELS) / LEVELS
        sign = torch.where(u[:, 1] < 0.5, -1.0, 1.0) if self.signed else 1.0
        return self.function(x, level * self.limit * sign)


class Identity(Augment):
    """Leave pictures as they are."""

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        return x


class TrivialAugment(OneOf):
    """One of 14 operations; of 13 for pictures without colours."""

    def __init__(self, spec: TrivialAugmentSpec, info: DataInfo) -> None:
        channels, height, width = info.shape
        signed: dict[Callable[[Tensor, Tensor], Tensor], float] = {
            shear_across: MAX_SHEAR,
            shear_down: MAX_SHEAR,
            move_across: min(MAX_SHIFT, width),
            move_down: min(MAX_SHIFT, height),
            rotate: MAX_DEGREES,
            op.brighten: MAX_FACTOR,
            op.change_contrast: MAX_FACTOR,
            op.sharpen: MAX_FACTOR,
            **({op.saturate: MAX_FACTOR} if channels == 3 else {}),
        }
        unsigned: dict[Callable[[Tensor, Tensor], Tensor], float] = {op.posterize: MAX_BITS, op.solarize: 1.0}
        plain = {op.stretch_contrast: 1.0, op.equalize: 1.0}
        super().__init__(
            [
                Identity(),
                *(Operation(function, limit * spec.strength, signed=True) for function, limit in signed.items()),
                *(Operation(function, limit * spec.strength, signed=False) for function, limit in unsigned.items()),
                *(Operation(function, limit, signed=False) for function, limit in plain.items()),
            ]
        )


def shear_across(x: Tensor, tangent: Tensor) -> Tensor:
    """Shear along the rows."""
    return sheared(x, tangent, torch.zeros_like(tangent))


def shear_down(x: Tensor, tangent: Tensor) -> Tensor:
    """Shear along the columns."""
    return sheared(x, torch.zeros_like(tangent), tangent)


def sheared(x: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Shear around the centre, by tangents (N,)."""
    one = torch.ones_like(across)
    matrix = torch.stack([torch.stack([one, across], 1), torch.stack([down, one], 1)], 1)
    return warp(x, matrix, torch.zeros_like(matrix[:, 0]), nearest=True)


def move_across(x: Tensor, pixels: Tensor) -> Tensor:
    """Shift along the rows, by whole pixels."""
    return moved(x, torch.stack([pixels.trunc(), torch.zeros_like(pixels)], 1))


def move_down(x: Tensor, pixels: Tensor) -> Tensor:
    """Shift along the columns, by whole pixels."""
    return moved(x, torch.stack([torch.zeros_like(pixels), pixels.trunc()], 1))


def moved(x: Tensor, shift: Tensor) -> Tensor:
    """Shift by whole pixels (N, 2)."""
    return warp(x, torch.eye(2, device=x.device).expand(len(x), 2, 2), shift, nearest=True)


def rotate(x: Tensor, degrees: Tensor) -> Tensor:
    """Rotate around the centre."""
    matrix = affine_matrix(torch.deg2rad(degrees), torch.ones_like(degrees), torch.zeros_like(x[:, 0, 0, :2]))
    return warp(x, matrix, torch.zeros_like(matrix[:, 0]), nearest=True)
