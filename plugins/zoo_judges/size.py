"""Small pictures in the size and the colours that networks for large ones take."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from zoo.core import ZooError


def coloured(x: Tensor, side: int) -> Tensor:
    """Pictures with values 0..1, (N, C, H, W), as (N, 3, side, side), bilinearly.

    One channel becomes three that are equal; ZooError where there are other than one or three.
    """
    if x.shape[1] not in {1, 3}:
        raise ZooError(f"this judge looks at 1 or 3 channels, not {x.shape[1]}", "take another --judge, as judge")
    x = x.expand(-1, 3, -1, -1)
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True).clamp(0, 1)
