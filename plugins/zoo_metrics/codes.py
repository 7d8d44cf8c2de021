"""What a model of code words makes of its words, over a whole split."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from zoo.data import Pictures, batches
from zoo.models import EVAL_BATCH, Generator
from zoo.registry import Outputs


def code_usage(found: Outputs) -> dict[str, Any] | None:
    """How much of the words is used, and what one costs; None of other models."""
    model = found.model
    if not isinstance(model, Generator) or model.codec.code.words is None:
        return None
    share = shares(model, found.pictures, model.codec.code.words)
    entropy = -torch.special.xlogy(share, share).sum().item()
    bits = found.means["rate"] / (model.codec.code.size * math.log(2))
    return {"codes_used": (share > 0).double().mean().item(), "codes_perplexity": math.exp(entropy), "codes_bits": bits}


def shares(model: Generator, pictures: Pictures, words: int) -> Tensor:
    """How often each word is used for pictures, as shares (words,) of all."""
    counts = torch.zeros(words, dtype=torch.float64)
    device = next(model.parameters()).device
    with torch.inference_mode():
        for batch in batches(pictures, EVAL_BATCH, device):
            counts += torch.bincount(model.codes(batch.x).flatten().cpu(), minlength=words)
    return counts / counts.sum()
