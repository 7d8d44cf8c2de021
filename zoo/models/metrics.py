"""Averages of a model's own metrics over batches."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from zoo.core.types import Batch
from zoo.models.base import Model

EVAL_BATCH = 250
"""Number of pictures per batch in evaluation."""


def mean_metrics(model: Model, source: Iterable[Batch], autocast: torch.dtype | None = None) -> dict[str, float]:
    """Average the model's metrics over all pictures, with one synchronisation at the end."""
    sums: dict[str, Tensor] = {}
    total = 0
    with torch.inference_mode():
        for batch in source:
            with autocast_context(batch.x.device, autocast):
                found = model.metrics(batch)
            for name, value in found.items():
                part = value.double() * len(batch.y) if value.device.type != "mps" else value * len(batch.y)
                sums[name] = sums[name] + part if name in sums else part
            total += len(batch.y)
    return {name: value.item() / total for name, value in sums.items()}


def autocast_context(device: torch.device, autocast: torch.dtype | None) -> Any:
    """Return a context that autocasts to the type; None for no autocast."""
    return nullcontext() if autocast is None else torch.autocast(device.type, autocast)
