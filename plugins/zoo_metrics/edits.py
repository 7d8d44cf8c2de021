"""Whether edited pictures are taken for the class that they were made into, and what of the source they keep."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import Edited
from zoo_metrics.judged import right


def edits(edited: Edited) -> dict[str, float]:
    """Figures of real pictures that were made into another class.

    `edit_right` is the share that the judge takes for the class that they were made into, and `edit_right_from_none`
    that where the prior was not told the class that they had. `edit_correlation` is the correlation of the mean value
    of a picture, the ink, between source and edit, and `edit_correlation_fresh` that between source and a sample of the
    same class, about 0. `edit_same` is the largest difference between a picture made into the class that it has and
    its reconstruction: rounding.
    """
    shares = {"edit_right": edited.edited, "edit_right_from_none": edited.uninformed}
    found = {name: share for name, seen in shares.items() if (share := right(seen)) is not None}
    source = edited.source.x
    return found | {
        "edit_correlation": correlation(ink(source), ink(edited.edited.x)),
        "edit_correlation_fresh": correlation(ink(source), ink(edited.fresh.x)),
        "edit_same": (edited.same - edited.shown).abs().max().item(),
    }


def ink(x: Tensor) -> Tensor:
    """The mean value float64 (N,) of each picture (N, C, H, W)."""
    return x.double().mean((1, 2, 3))


def correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's, of numbers (N,); NaN where either does not vary."""
    found: Tensor = torch.corrcoef(torch.stack([one, other]))
    return found[0, 1].item()
