"""Small pictures with captions: a bright half above a dark one or the other way round, perhaps with a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BRIGHT_ABOVE, DARK_ABOVE = "a bright half above a dark half", "a dark half above a bright half"
"""The same words in another order, for another picture."""


def captioned(count: int = 240, seed: int = 0) -> tuple[NDArray[np.uint8], list[Any], NDArray[np.int64]]:
    """Make pictures uint8 (N, 8, 8), their captions (one, two or none), and their classes 0 to 3."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    x = chance.normal(128, 12, (count, 8, 8))
    captions: list[Any] = []
    for row, label in enumerate(labels):
        upper = 60 if label % 2 else -60
        x[row, :4] += upper
        x[row, 4:] -= upper
        text = BRIGHT_ABOVE if label % 2 else DARK_ABOVE
        if label >= 2:
            x[row, :, [0, 7]] = 0
            text += " in a frame"
        captions.append([text, f"picture of {text}"] if row % 5 == 0 else None if row % 12 == 11 else text)
    return x.clip(0, 255).astype(np.uint8), captions, labels
