"""Equal and nearly equal pictures: exact, re-encoded, resized or mirrored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.data.dataset import Pictures

Kind = Literal["equal", "similar", "mirrored"]
FINE_GRID = 16
"""Largest side of the grid on which two pictures are compared; the search uses one of half the side."""
SEARCH_SIMILARITY = 0.97
"""Least cosine similarity on the coarse grid, without the mean, of two pictures that are compared closely."""
MAX_DIFFERENCE = 0.35
"""Largest difference of two similar pictures on a grid of 16x16, as a share of their contrast."""
GRID_POWER = 1.5
"""How the largest difference falls with the side of the grid: on a coarse one, other pictures of a class look alike."""
MIN_DETAIL_SIMILARITY = 0.85
"""Least cosine similarity of the details, which the coarse grid does not show."""
BLANK_CONTRAST = 2 / 255
"""Standard deviation below which a picture is blank; blank pictures are not compared."""
BLOCK, PRODUCTS = 2048, 2**27
"""Pictures that are compared with all others at a time, and products that are kept at a time."""
CHUNK = 4096
"""Pictures that are reduced, or pairs that are compared closely, at a time."""


class Pair(NamedTuple):
    """Two pictures, by their rows, that show the same."""

    first: int
    second: int
    kind: Kind


class Grids(NamedTuple):
    """Pictures averaged over the cells of a fine and a coarse grid, float32 with values 0..1."""

    fine: Tensor
    """(N, C, F, F)."""
    coarse: Tensor
    """(N, G, G), the mean of the channels."""

    @property
    def contrast(self) -> Tensor:
        """Standard deviation of each picture over its cells (N,)."""
        return spatial_contrast(self.fine)


def average(pictures: Pictures) -> Grids:
    """Average pictures over the cells of the two grids."""
    nhwc = pictures.nhwc
    fine = min(FINE_GRID, *pictures.x.shape[2:])
    parts = []
    for start in range(0, len(nhwc), CHUNK):
        x = nhwc[start : start + CHUNK].permute(0, 3, 1, 2).float() / 255
        parts.append(F.adaptive_avg_pool2d(x, fine))
    whole = torch.cat(parts)
    return Grids(whole, F.adaptive_avg_pool2d(whole.mean(1), max(1, fine // 2)))


def spatial_contrast(x: Tensor) -> Tensor:
    """Return the standard deviation over the cells of pictures (N, C, F, F), the root mean square of the channels."""
    return x.flatten(2).var(2, correction=0).mean(1).sqrt()


def find_duplicates(pictures: Pictures, grids: Grids) -> list[Pair]:
    """Find pairs of pictures that show the same; blank pictures are left out.

    Args:
        pictures: N pictures.
        grids: Their averages.

    Returns:
        Pairs of rows in ascending order. Of more than two equal pictures each is paired with the first one, and only
        the first one with similar pictures.
    """
    patterned = grids.contrast >= BLANK_CONTRAST
    equal = list(equal_pairs(pictures, patterned))
    repeated = {pair.second for pair in equal}
    rows = torch.tensor(
        [row for row in patterned.nonzero().flatten().tolist() if row not in repeated], dtype=torch.int64
    )
    return sorted([*equal, *similar_pairs(grids, rows)])


def equal_pairs(pictures: Pictures, patterned: Tensor) -> Iterator[Pair]:
    """Pair each picture with the first one that has the same pixels."""
    first: dict[bytes, int] = {}
    kept = patterned.tolist()
    for row, pixels in enumerate(pictures.nhwc.flatten(1).numpy()):
        if kept[row]:
            before = first.setdefault(hashlib.blake2b(pixels.data, digest_size=16).digest(), row)
            if before != row:
                yield Pair(before, row, "equal")


def similar_pairs(grids: Grids, rows: Tensor) -> Iterator[Pair]:
    """Yield the pairs among some rows that differ little, as they are or mirrored."""
    even, odd = split_symmetry(unit(grids.coarse[rows]))
    block = max(1, min(BLOCK, PRODUCTS // max(1, len(rows))))
    for start in range(0, len(rows), block):
        end = start + block
        # A mirrored picture has the odd part with the other sign, so one product serves both comparisons.
        similarity = even[start:end] @ even[start:].T + (odd[start:end] @ odd[start:].T).abs_()
        found = (similarity > SEARCH_SIMILARITY).nonzero() + start
        found = rows[found[found[:, 0] < found[:, 1]]]
        for part in torch.split(found, CHUNK) if len(found) else ():
            yield from closely_similar(grids, part)


def split_symmetry(coarse: Tensor) -> tuple[Tensor, Tensor]:
    """Split pictures (N, G, G) into a part that is the same mirrored and one that changes its sign, each (N, G * G)."""
    mirrored = coarse.flip(-1)
    return ((coarse + mirrored) / 2).flatten(1), ((coarse - mirrored) / 2).flatten(1)


def unit(x: Tensor) -> Tensor:
    """Remove the mean of each picture (N, ...) and scale it to length 1."""
    flat = x.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1).view_as(x)


def closely_similar(grids: Grids, pairs: Tensor) -> Iterator[Pair]:
    """Yield those of the pairs (M, 2) that also agree on the fine grid, in all colours and in their details."""
    one, other = grids.fine[pairs[:, 0]], grids.fine[pairs[:, 1]]
    kinds: tuple[Kind, ...] = ("similar", "mirrored")
    agree = torch.stack([agrees(one, other), agrees(one, other.flip(-1))])
    for (first, second), same, mirrored in zip(pairs.tolist(), *agree.tolist(), strict=True):
        if same or mirrored:
            yield Pair(first, second, kinds[not same])


def agrees(one: Tensor, other: Tensor) -> Tensor:
    """Whether pictures (M, C, F, F) differ little, bool (M,)."""
    contrast = torch.minimum(spatial_contrast(one), spatial_contrast(other))
    difference = (one - other).flatten(1).square().mean(1).sqrt()
    detail = (unit(details(one)) * unit(details(other))).flatten(1).sum(1)
    largest = MAX_DIFFERENCE * (one.shape[-1] / FINE_GRID) ** GRID_POWER
    return torch.logical_and(difference < largest * contrast, detail > MIN_DETAIL_SIMILARITY)


def details(x: Tensor) -> Tensor:
    """Subtract from pictures (M, C, F, F) what a grid of half the side shows."""
    half = F.adaptive_avg_pool2d(x, max(1, x.shape[-1] // 2))
    return x - F.interpolate(half, x.shape[-2:], mode="bilinear", align_corners=False)


def groups_of(pairs: list[Pair]) -> list[list[int]]:
    """Join pairs that share a picture; each group is in ascending order, and so are the groups."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            row = parent[row]
        return row

    for first, second, _ in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    found: dict[int, list[int]] = {}
    for row in sorted(parent):
        found.setdefault(root(row), []).append(row)
    return [found[key] for key in sorted(found)]
