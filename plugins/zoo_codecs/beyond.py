"""What decoded pictures are compared by beside their numbers: what a teacher sees of them, and how much fine detail."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import ZooError
from zoo.features import Features, features
from zoo.model import Classifier, Losses
from zoo.prior import wide
from zoo_codecs.codecspec import CodecSpec

REGION = 4
"""Height and width of the regions in which detail is compared, in pixels."""
FAINTEST = 1e-3
"""Amplitudes of detail well below this, a quarter of a level, count as none."""


class Beyond:
    """The losses beside the distortion that the options ask for; holds the teacher, which is no part of the model."""

    def __init__(self, spec: CodecSpec) -> None:
        self.spec = spec
        self.teacher: Classifier | None = None

    def losses(self, x: Tensor, shown: Tensor) -> Losses:
        """Weighted scalars by name, for pictures and decoded ones, both (N, C, H, W)."""
        found: Losses = {}
        if self.spec.perceptual:
            found["perceptual"] = self.spec.perceptual * self.perceptual(x, shown)
        if self.spec.detail:
            found["detail"] = self.spec.detail * missing_detail(wide(x), wide(shown))
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
    return F.normalize(wide(x), dim=1, eps=1e-4)


def missing_detail(x: Tensor, shown: Tensor) -> Tensor:
    """The mean difference between the amplitudes of detail in regions of pictures, as a share of their mean amplitude.

    Where detail cannot be told from the code, a decoder that learns from squared errors alone paints none, which is
    what makes pictures blurred; this asks for as much as there was, wherever exactly it lies.
    """
    ours, theirs = amplitude(x), amplitude(shown)
    return (ours - theirs).abs().mean() / (ours.mean() + FAINTEST)


def amplitude(x: Tensor) -> Tensor:
    """Root mean square of the Laplacian of pictures (N, C, H, W) in overlapping regions, (N, C, h, w)."""
    inner = x[..., 1:-1, 1:-1]
    around = x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    squares = (inner - around / 4).square()
    side = min(REGION, *squares.shape[2:])
    return (F.avg_pool2d(squares, side, max(1, side // 2)) + FAINTEST**2).sqrt()
