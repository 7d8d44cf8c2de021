"""Seed the random generators of a device, and save and restore their state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

NUMPY_WORDS = 624
"""Words of the state of NumPy's default random generator."""


def seed_all(seed: int) -> None:
    """Seed the random generators of torch, Python and numpy."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def random_state(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Get the state of every random generator, as tensors and as values for JSON."""
    tensors = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        tensors["mps"] = torch.mps.get_rng_state()
    name, keys, *rest = np.random.get_state(legacy=True)
    numpy = [str(name), [int(key) for key in keys], *(float(part) for part in rest)]
    version, words, gauss = random.getstate()
    return tensors, {"numpy": numpy, "python": [version, list(words), gauss]}


def restore_random(tensors: dict[str, Tensor], plain: dict[str, Any], device: torch.device) -> None:
    """Restore the state of every random generator, as `random_state` returned it."""
    torch.set_rng_state(tensors["cpu"])
    if "cuda" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], device)
    if "mps" in tensors and device.type == "mps":
        torch.mps.set_rng_state(tensors["mps"])
    name, keys, position, has_gauss, gauss = plain["numpy"]
    if len(keys) != NUMPY_WORDS or not 0 <= int(position) <= NUMPY_WORDS:
        raise ValueError("the state of NumPy's random generator is damaged")
    np.random.set_state((name, np.array(keys, np.uint32), int(position), int(has_gauss), gauss))
    version, words, spare = plain["python"]
    random.setstate((version, tuple(words), spare))


@contextmanager
def preserve_random_state(device: torch.device) -> Iterator[None]:
    """Restore the state of every random generator after the block, also of other devices in use."""
    tensors, plain = random_state(device)
    # `torch.manual_seed` seeds all devices, whichever is computed on.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        restore_random(tensors, plain, device)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
