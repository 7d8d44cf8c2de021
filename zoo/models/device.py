"""Choose the device of a model and the precision of its operations."""

from __future__ import annotations

import torch

from zoo.core.errors import ZooError

KINDS = ("auto", "cpu", "cuda", "mps")
FIRST_FAST_FLOAT16 = (7, 0)
"""Compute capability of the first GPUs that multiply float16 matrices in units of their own: Volta."""


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
    types = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return types[best_precision(device) if precision == "auto" else precision]


def best_precision(device: torch.device) -> str:
    """Choose the fastest precision that the device has instructions for."""
    if has_bfloat16(device):
        return "bfloat16"
    fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= FIRST_FAST_FLOAT16
    return "float16" if fast else "float32"


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)
