"""Random generators that depend on seed, stage and epoch only."""

from __future__ import annotations

import hashlib

import torch

EVERY_EPOCH = -1
"""Epoch number used for random numbers that are sampled once per stage."""


def epoch_generator(seed: int, stage: str, epoch: int) -> torch.Generator:
    """Make a CPU generator for one epoch of one stage."""
    text = f"{seed}/{stage}/{epoch}".encode()
    value = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(value)
