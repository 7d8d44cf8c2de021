"""Pictures as tensors: decode, cache, split, load batches with augmentation."""

from __future__ import annotations

from zoo.data.cache import cached, stamps
from zoo.data.dataset import Loaded, Pictures
from zoo.data.decode import LOOK_AT, Named, Recipe, Skipped, gather, infer_shape, versions
from zoo.data.loader import batches

__all__ = [
    "LOOK_AT",
    "Loaded",
    "Named",
    "Pictures",
    "Recipe",
    "Skipped",
    "batches",
    "cached",
    "gather",
    "infer_shape",
    "stamps",
    "versions",
]
