"""Couplings whose last step is a monotonic rational-quadratic spline (Durkan et al. 2019, arXiv:1906.04032)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zoo_priors.coupling import Coupling
from zoo_priors.scale import soft_clamp

BINS = 8
"""Number of bins of a spline."""
NUMBERS = 3 * BINS - 1
"""How many numbers describe a spline: widths, heights, and slopes between the bins."""
REACH = 4.0
"""A spline maps -REACH..REACH to itself, and leaves other values as they are."""
MAX_LOGIT = 1.0
"""Limit of the logarithms of slopes, and of those of widths and heights, before these are made to add up."""


class SplineCoupling(Coupling):
    """Shift and scale half of the dimensions, then map each by a spline, depending on the other half and the context.

    A spline has several slopes where an affine map has one, so that fewer couplings describe codes in clusters.
    """

    outputs = Coupling.outputs + NUMBERS

    def transform(self, moved: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        affine, spline = self.split(found)
        moved, log_det = super().transform(moved, affine)
        curved, log_slope = spline.apply(moved)
        return curved, log_det + log_slope.sum(1)

    def invert(self, moved: Tensor, found: Tensor) -> Tensor:
        affine, spline = self.split(found)
        return super().invert(spline.invert(moved), affine)

    def split(self, found: Tensor) -> tuple[Tensor, Spline]:
        """Split the outputs of the MLP into those of the affine map and the splines."""
        affine, rest = torch.split(found, [Coupling.outputs * self.moved, NUMBERS * self.moved], 1)
        return affine, Spline.of(rest.reshape(found.shape[0], self.moved, NUMBERS))


class Bin(NamedTuple):
    """The bins (N, D) in which values lie."""

    left: Tensor
    bottom: Tensor
    width: Tensor
    height: Tensor
    slope: Tensor
    """Slope at the left end."""
    next_slope: Tensor
    """Slope at the right end."""

    @property
    def mean_slope(self) -> Tensor:
        """Slope of the straight line between both ends."""
        return self.height / self.width

    @property
    def excess_slope(self) -> Tensor:
        """By how much the slopes of both ends together exceed those of the straight line."""
        return self.slope + self.next_slope - 2 * self.mean_slope


class Spline(NamedTuple):
    """A spline for each of the values (N, D): the ends of its bins, and the slopes there, (N, D, BINS + 1) each."""

    x: Tensor
    y: Tensor
    slopes: Tensor

    @classmethod
    def of(cls, raw: Tensor) -> Spline:
        """Make splines from the outputs of an MLP (N, D, NUMBERS); zeros give the identity."""
        widths, heights, slopes = torch.split(soft_clamp(raw, MAX_LOGIT), [BINS, BINS, BINS - 1], 2)
        return cls(ends(widths), ends(heights), torch.nn.functional.pad(slopes, (1, 1)).exp())

    def apply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map values (N, D) by the splines, and compute the logarithms of the slopes there (N, D)."""
        inner = x.clamp(-REACH, REACH)
        at = self.bin_of(self.x, inner)
        share = (inner - at.left) / at.width
        between, straight = share * (1 - share), at.mean_slope
        divisor = straight + at.excess_slope * between
        y = at.bottom + at.height * (straight * share.square() + at.slope * between) / divisor
        parts = at.next_slope * share.square() + 2 * straight * between + at.slope * (1 - share).square()
        log_slope = 2 * (straight.log() - divisor.log()) + parts.log()
        inside = x.abs() < REACH
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def invert(self, y: Tensor) -> Tensor:
        """Map values (N, D) by the inverses of the splines."""
        inner = y.clamp(-REACH, REACH)
        at = self.bin_of(self.y, inner)
        above, straight = inner - at.bottom, at.mean_slope
        a = at.height * (straight - at.slope) + above * at.excess_slope
        b = at.height * at.slope - above * at.excess_slope
        c = -straight * above
        # this form of the root loses no precision where a is small
        share = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(y.abs() < REACH, at.left + share * at.width, y)

    def bin_of(self, places: Tensor, values: Tensor) -> Bin:
        """Find the bin of each value (N, D) among the ends of bins (N, D, BINS + 1)."""
        index = (values.unsqueeze(2) >= places[..., 1:-1]).sum(2, keepdim=True)
        (left, right), (bottom, top), (slope, next_slope) = (
            (part.gather(2, index).squeeze(2), part.gather(2, index + 1).squeeze(2)) for part in self
        )
        return Bin(left, bottom, right - left, top - bottom, slope, next_slope)


def ends(logits: Tensor) -> Tensor:
    """Compute the ends (N, D, BINS + 1) of bins from the logits (N, D, BINS) of their shares of the whole."""
    inner = REACH * (2 * logits.softmax(2).cumsum(2)[..., :-1] - 1)
    side = torch.full_like(inner[..., :1], REACH)
    return torch.cat([-side, inner, side], 2)
