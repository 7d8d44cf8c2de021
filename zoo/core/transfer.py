"""Copy tensors between devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device, without waiting for the device where that is safe.

    Args:
        x: A tensor, which may be a temporary one.
        device: Where the result is.

    Returns:
        The tensor itself if it is there already, otherwise a copy.

    Example:
        >>> import torch
        >>> from zoo.core import to_device
        >>> to_device(torch.arange(3), torch.device("cpu"))
        tensor([0, 1, 2])
    """
    # CUDA copies unpinned memory before it returns; MPS may read it after it was freed.
    return x.to(device, non_blocking=device.type == "cuda")
