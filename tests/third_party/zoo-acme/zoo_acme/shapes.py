"""Draws discs, squares, crosses and rings in one colour each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.data import Loaded, Pictures
from zoo_acme.spec import CLASSES, SIDE, ShapesSpec


def draw_all(spec: ShapesSpec) -> Loaded:
    """All pictures of a spec, the same each time."""
    chance = np.random.default_rng(spec.seed)
    labels = np.arange(spec.count, dtype=np.int64) % len(CLASSES)
    pictures = np.stack([draw(CLASSES[label], spec.noise, chance) for label in labels])
    return Loaded(Pictures.of(pictures, labels), CLASSES)


def draw(name: str, noise: float, chance: np.random.Generator) -> NDArray[np.uint8]:
    """One picture, uint8 (side, side, 3)."""
    row, column = chance.uniform(6.0, SIDE - 7.0, 2)
    size = chance.uniform(3.0, 5.5)
    dy, dx = np.abs(np.mgrid[0:SIDE, 0:SIDE] - np.array([row, column])[:, None, None])
    far, near = np.maximum(dy, dx), np.minimum(dy, dx)
    round_ = np.hypot(dy, dx)
    mask = {
        "disc": round_ <= size,
        "square": far <= size * 0.9,
        "cross": (far <= size) & (near <= size * 0.3),
        "ring": (round_ <= size) & (round_ >= size * 0.6),
    }[name]
    colour = chance.uniform(0.5, 1.0, 3)
    picture = np.where(mask[..., None], colour, 0.2) + chance.normal(0.0, noise, (SIDE, SIDE, 3))
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)
