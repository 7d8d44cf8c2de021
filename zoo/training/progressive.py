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

INCREMENT = 4
"""Pixels by which the longer side grows at a time, where that takes no more than `MOST_SIZES`."""
MOST_SIZES = 4
"""Different sizes below the full one, for each of which a compiled model is compiled anew."""
LEAST_SIDE = 4
"""Smallest height and width in pixels."""
FINETUNE = 0.3
"""Share of the training that has pictures of full size, unless `finetune_fraction` says another."""


def size_at(spec: StageSpec, full: tuple[int, int], done: float) -> tuple[int, int]:
    """Compute the height and width of the pictures when a share of the stage is over."""
    scale = 1.0 if spec.initial_scale is None else spec.initial_scale
    small = 1 - (FINETUNE if spec.finetune_fraction is None else spec.finetune_fraction)
    if done >= small or scale == 1:
        return full
    sizes = min(MOST_SIZES, math.ceil((1 - scale) * max(full) / INCREMENT))
    grown = math.floor(sizes * done / small) / sizes
    height, width = (max(LEAST_SIDE, round(side * (scale + (1 - scale) * grown))) for side in full)
    return min(height, full[0]), min(width, full[1])


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink pictures (N, C, H, W) to a height and width, averaging over what falls into a pixel."""
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", antialias=True)


def check_sizes(model: Model, spec: TrainSpec, info: DataInfo) -> None:
    """Raise ZooError if the pictures are to grow, and the model cannot learn from the smallest of them."""
    scales = [stage.initial_scale for name in ("", *spec.stages) if (stage := spec.stage(name)).initial_scale]
    if not scales:
        return
    if not model.takes_smaller_pictures:
        text = f"train.initial_scale has no effect on {type(model).__name__}, which takes pictures of one size only"
        raise ZooError(text, "drop it, or choose a convnet such as plain-875k")
    if spec.teacher is not None:
        raise ZooError("a teacher knows pictures of full size only", "drop train.initial_scale or train.teacher")
    height, width = size_at(StageSpec(initial_scale=min(scales)), info.shape[1:], 0)
    batch = Batch(torch.zeros(2, info.shape[0], height, width), torch.zeros(2, dtype=torch.long))
    try:
        with in_eval_mode(model), torch.no_grad():
            model.losses(batch)
    except (RuntimeError, ValueError, AssertionError, LookupError) as error:
        text = f"{type(model).__name__} cannot learn from pictures of {height}x{width}: {one_line(str(error))[:120]}"
        raise ZooError(text, "raise train.initial_scale or drop it") from error
