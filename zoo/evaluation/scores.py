"""Class scores of a classifier over a split."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data.dataset import Pictures
from zoo.data.loader import batches
from zoo.models.base import Classifier
from zoo.models.metrics import EVAL_BATCH, autocast_context


def class_scores(
    model: Classifier, pictures: Pictures, device: torch.device, autocast: torch.dtype | None = None
) -> Tensor:
    """Log-probabilities (N, K), float32 on the CPU."""
    rows = []
    with torch.inference_mode():
        for batch in batches(pictures, EVAL_BATCH, device):
            with autocast_context(device, autocast):
                rows.append(model(batch.x))
    return torch.cat(rows).float().log_softmax(1).cpu()
