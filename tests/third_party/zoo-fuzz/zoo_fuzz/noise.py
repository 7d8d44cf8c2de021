"""Noisy pictures, as a classifier sees them (as in Hendrycks & Dietterich 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.registry import Outputs
from zoo_fuzz import FuzzSpec

CHUNK = 250
"""Pictures that are shown at a time."""


def under_noise(spec: FuzzSpec, found: Outputs) -> dict[str, float]:
    """`fuzz_accuracy`, the share that is right under noise; `fuzz_flips`, that which is taken for another class."""
    clean = found.scores
    assert clean is not None, "of a classifier"
    with torch.inference_mode():
        guess = torch.cat([found.model(x) for x in shown(spec, found)]).argmax(1).cpu()
    right, flipped = guess == found.labels, guess != clean.argmax(1)
    return {"fuzz_accuracy": right.double().mean().item(), "fuzz_flips": flipped.double().mean().item()}


def shown(spec: FuzzSpec, found: Outputs) -> list[Tensor]:
    """All pictures with noise, in chunks (N, C, H, W) where the model is; the same noise each time."""
    chance = torch.Generator().manual_seed(spec.seed)
    x = found.pictures.floats.cpu()
    noisy = (x + spec.std * torch.randn(x.shape, generator=chance)).clamp(0, 1)
    return list(torch.split(noisy.to(next(found.model.parameters()).device), CHUNK))
