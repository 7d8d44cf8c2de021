"""Helpers for computations that stay in float32 while the rest runs in a lower precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def as_float32(x: Tensor) -> Tensor:
    """Convert a tensor to float32, unless it is float64.

    Args:
        x: A tensor of floats.

    Returns:
        The tensor itself if it has one of the two types, otherwise a float32 copy.

    Example:
        >>> import torch
        >>> from zoo.models import as_float32
        >>> as_float32(torch.zeros(2, dtype=torch.bfloat16)).dtype
        torch.float32
        >>> as_float32(torch.zeros(2, dtype=torch.float64)).dtype
        torch.float64
    """
    return x if x.dtype == torch.float64 else x.float()


def no_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocast off within a block.

    Args:
        device: The device on which the block computes.

    Returns:
        A context manager.

    Example:
        >>> import torch
        >>> from zoo.models import no_autocast
        >>> with torch.autocast("cpu", torch.bfloat16), no_autocast(torch.device("cpu")):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
