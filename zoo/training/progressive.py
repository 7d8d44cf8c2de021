"""Progressive resizing: training pictures begin smaller, which takes less time, and grow to their full size."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.core.errors import ZooError, one_line
from zoo.core.sections import StageSpec, TrainSpec
from zoo.core.types import Batch, DataInfo
from zoo.models.base import Model, in_eval_mode

INCREMENT, MOST_SIZES = 4, 3
"""Pixels, roughly, by which the longer side grows at a time, and the largest number of sizes below the full one.

A compiled model is compiled anew for each size, and PyTorch gives up after eight variants.
"""
LEAST_SIDE = 4
"""Smallest height and width in pixels."""
FINETUNE = 0.3
"""Share of the training that has pictures of full size, unless `finetune_fraction` says another."""


def is_growing(spec: StageSpec, done: float) -> bool:
    """Return whether pictures are still smaller than they are when a share of the stage is over."""
    return spec.initial_scale is not None and done < growing_share(spec)


def growing_share(spec: StageSpec) -> float:
    """Return the share of the stage after which pictures have their full size."""
    return 1 - (FINETUNE if spec.finetune_fraction is None else spec.finetune_fraction)


def size_at(spec: StageSpec, full: tuple[int, int], done: float) -> tuple[int, int]:
    """Compute the height and width of the pictures when a share of the stage is over."""
    if spec.initial_scale is None or not is_growing(spec, done):
        return full
    scale = spec.initial_scale
    sizes = min(MOST_SIZES, math.ceil((1 - scale) * max(full) / INCREMENT))
    grown = math.floor(sizes * done / growing_share(spec)) / sizes
    height, width = (max(LEAST_SIDE, round(side * (scale + (1 - scale) * grown))) for side in full)
    return min(height, full[0]), min(width, full[1])


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink pictures (N, C, H, W) to a height and width, averaging over what falls into a pixel."""
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", antialias=True)


def check_sizes(model: Model, spec: TrainSpec, info: DataInfo) -> None:
    """Raise ZooError if a stage begins with pictures that are too small for the model."""
    for stage in model.stages():
        chosen = spec.stage(stage.name)
        if chosen.initial_scale is None:
            continue
        height, width = size_at(chosen, info.shape[1:], 0)
        batch = Batch(torch.zeros(2, info.shape[0], height, width), torch.zeros(2, dtype=torch.long))
        try:
            with in_eval_mode(model), torch.no_grad():
                stage.losses(batch)
        except (RuntimeError, ValueError, AssertionError, LookupError) as error:
            reason = one_line(str(error))[:120] or type(error).__name__
            text = f"{type(model).__name__} cannot learn from pictures of {height}x{width}: {reason}"
            raise ZooError(text, "raise train.initial_scale or drop it") from error
