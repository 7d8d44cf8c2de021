"""Augmentation that mixes pictures and their labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zoo import DataInfo
from zoo.data import Mix
from zoo_augment.erase import rectangle
from zoo_augment.spec import CutmixSpec, MixupSpec

QUANTILES = 4096
"""Steps of the table from which shares are drawn."""


class Shares:
    """Draw from Beta(alpha, alpha) by a table of its quantiles, interpolated linearly."""

    def __init__(self, alpha: float) -> None:
        from scipy.special import betaincinv

        found = betaincinv(alpha, alpha, np.linspace(0, 1, QUANTILES + 1))
        self.table = torch.from_numpy(found).float()

    def __call__(self, u: Tensor) -> Tensor:
        self.table = self.table.to(u.device)
        place = u * QUANTILES
        low = place.long().clamp_(max=QUANTILES - 1)
        return torch.lerp(self.table[low], self.table[low + 1], place - low)


class Mixup(Mix):
    """The weighted mean of two pictures."""

    draws = 1

    def __init__(self, spec: MixupSpec, info: DataInfo) -> None:
        self.shares = Shares(spec.alpha)

    def mix(self, x: Tensor, other: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        share = self.shares(u[:, 0])
        return torch.lerp(other, x, share.view(-1, 1, 1, 1)), share


class Cutmix(Mix):
    """A rectangle of the other picture; the labels count by the areas that are seen."""

    draws = 3

    def __init__(self, spec: CutmixSpec, info: DataInfo) -> None:
        self.shares = Shares(spec.alpha)

    def mix(self, x: Tensor, other: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        side = (1 - self.shares(u[:, 0])).sqrt()
        inside = rectangle(x, u[:, 1], u[:, 2], (side * x.shape[2]).int(), (side * x.shape[3]).int())
        return torch.lerp(x, other, inside), 1 - inside.mean((1, 2, 3))
