"""Choose a device and its precision, seed it, and save and restore its random state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.core.errors import ZooError

KINDS = ("auto", "cpu", "cuda", "mps")

NUMPY_WORDS = 624
"""Words of the state of NumPy's default random generator."""


def choose_device(name: str = "auto") -> torch.device:
    """Find the device of a name; `auto` prefers CUDA, then MPS, then the CPU."""
    try:
        device = torch.device("cpu" if name == "auto" else name)
    except RuntimeError:
        raise ZooError(f"no device {name!r}", advise_on_device(name)) from None
    if name == "auto":
        usable = [kind for kind in ("cuda", "mps") if available(kind)]
        return torch.device(usable[0] if usable else "cpu")
    if device.type not in KINDS or not available(device.type):
        raise ZooError(f"torch {torch.__version__} finds no {name} device on this machine", "use --device auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ZooError(
            f"there are {torch.cuda.device_count()} CUDA devices, so {name} does not exist", "use --device auto"
        )
    return device


def advise_on_device(name: str) -> str:
    """Return the device that an unknown name may mean, or all of them."""
    word = name.lower()
    meant = f"cuda:{word}" if word.isdecimal() else "cuda" if word in ("gpu", "nvidia") else word
    known = meant != name and meant.partition(":")[0] in KINDS
    return f"did you mean {meant!r}?" if known else f"use one of {', '.join(KINDS)}"


def available(kind: str) -> bool:
    """Whether torch can use a type of device on this machine."""
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())


def autocast_type(device: torch.device, precision: str) -> torch.dtype | None:
    """Choose the type for autocast; None for float32."""
    if precision == "float32" or (precision == "auto" and not has_bfloat16(device)):
        return None
    return torch.bfloat16


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)


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
