"""Geometric progressions of whole numbers: widths, sizes and the channels between a separable pair."""

from __future__ import annotations

import math


def nearest(value: float) -> int:
    """The nearest whole number from 1 on, halves upwards."""
    return max(1, math.floor(value + 0.5))


def progression(first: int, last: int, steps: int) -> list[int]:
    """`steps` + 1 numbers from `first` to `last`, each about the same multiple of the one before."""
    if steps == 0:
        return [first]
    return [nearest(first * (last / first) ** (step / steps)) for step in range(steps)] + [last]


def widths(first: int, last: int, blocks: int) -> list[int]:
    """Channels after each block; a single block has `last`."""
    return progression(first, last, blocks - 1) if blocks > 1 else [last]


def between(inputs: int, outputs: int, kernel: int, ratio: float | None) -> int:
    """Channels between 1 x k and k x 1, for `ratio` times the weights of k x k or by the geometric mean."""
    if ratio is None:
        return nearest(math.sqrt(inputs * outputs))
    return nearest(ratio * kernel * inputs * outputs / (inputs + outputs))
