"""Pictures that are blank, and those that resemble no others."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.inspection.duplicates import BLANK_CONTRAST, Grids

NEIGHBOURS = 5
"""An odd picture is far from even its NEIGHBOURS-th nearest one, so that a few alike are odd too."""
REFERENCES = 4000
"""Pictures, spread evenly over the set, among which the nearest are looked for."""
ODD_SPREADS = 6.0
"""Distance above the median, in median absolute deviations, from which a picture is odd."""
MIN_PICTURES = 50
"""Pictures below which nothing is called odd."""
CHUNK = 4096


def find_blank(grids: Grids) -> list[int]:
    """Return the rows of pictures that are of one colour, give or take two levels of 255."""
    return (grids.contrast < BLANK_CONTRAST).nonzero().flatten().tolist()


def find_odd(grids: Grids, most: int = 100) -> list[int]:
    """Return the rows of pictures that resemble no others, the oddest first; blank ones are left out.

    The distance is that of the averages over the fine grid, in all colours.

    Args:
        grids: The averages of N pictures.
        most: How many rows are returned at most.
    """
    rows = (grids.contrast >= BLANK_CONTRAST).nonzero().flatten()
    if len(rows) < MIN_PICTURES:
        return []
    distance = neighbour_distance(grids.fine[rows].flatten(1))
    middle = distance.median()
    spread = (distance - middle).abs().median()
    order = distance.argsort(descending=True, stable=True)[:most]
    return rows[order[distance[order] > middle + ODD_SPREADS * spread]].tolist()


def neighbour_distance(x: Tensor) -> Tensor:
    """Return the distance of each vector (N, D) to its `NEIGHBOURS`-th nearest one among some of them, (N,)."""
    some = x[torch.linspace(0, len(x) - 1, min(len(x), REFERENCES)).round().long()]
    count = min(NEIGHBOURS + 1, len(some))  # a picture may be among the references, at distance 0
    return torch.cat([torch.cdist(part, some).kthvalue(count, dim=1).values for part in torch.split(x, CHUNK)])
