"""The native kernel for the layers of a convnet: norm, activation and max pooling in one sweep."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_classifiers.native import (
    LAYOUT,
    MIN_CHANNELS,
    WIDE_CHANNELS,
    KernelShape,
    NativeTail,
    batch_statistics,
    load_kernel,
)
from zoo_classifiers.pooling import Regions

if TYPE_CHECKING:
    from ctypes import CDLL

    from zoo_classifiers.blocks import Norm

ACTIVATIONS = ("mish", "silu", "relu", "gelu", "")
"""The kernel numbers them in this order; the last one is the identity."""


def norm_tail(x: Tensor, norm: Norm, activation: str, pool: bool) -> Tensor:
    """Apply norm, activation and 2 x 2 max pooling to x (N, C, H, W), in bfloat16."""
    x = x.to(torch.bfloat16).contiguous(memory_format=LAYOUT)
    library, shape = prepare(x, activation, pool, norm.training)
    if norm.training:
        mean, variance = batch_statistics(library, shape, norm, x)
    else:
        mean, variance = norm.running_mean, norm.running_var
    return run(x, norm.bias, mean, (variance + norm.eps).rsqrt(), library, shape)


def bias_tail(x: Tensor, bias: Tensor, activation: str) -> Tensor:
    """Add a bias (C,) to x (N, C, H, W) and apply an activation, in bfloat16."""
    x = x.to(torch.bfloat16).contiguous(memory_format=LAYOUT)
    zero, one = torch.zeros(x.shape[1]), torch.ones(x.shape[1])
    return run(x, bias, zero, one, *prepare(x, activation, False, False))


def prepare(x: Tensor, activation: str, pool: bool, batch: bool) -> tuple[CDLL, KernelShape]:
    """Return the library, and the sizes and options of a call; `batch`: the norm's statistics are those of x."""
    library = load_kernel(x.shape[1] < WIDE_CHANNELS)[0]
    if library is None:
        raise ValueError("there is no native kernel")
    side = 2 if pool else 1
    sizes = (x.shape[2] // side, x.shape[3] // side, side, side)
    return library, KernelShape(*x.shape, *sizes, ACTIVATIONS.index(activation), batch, torch.get_num_threads())


def run(x: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor, library: CDLL, shape: KernelShape) -> Tensor:
    """Run the kernel."""
    one = torch.ones(len(mean))
    return cast(Tensor, NativeTail.apply(x, one, bias, mean, rstd, library, shape, even_regions(shape)))


def even_regions(shape: KernelShape) -> Regions:
    """Return the regions of max pooling, side by side."""
    rows, columns = (torch.arange(count) * side for count, side in ((shape.oh, shape.kh), (shape.ow, shape.kw)))
    return Regions(torch.zeros(1, 2), rows, columns)


def why_not(channels: Iterable[int]) -> str:
    """Return why the kernel cannot be used for these numbers of channels; empty if it can."""
    reasons = (verify(narrow) for narrow in sorted({count < WIDE_CHANNELS for count in channels}))
    return next(filter(None, reasons), "")


def fits(channels: int) -> bool:
    """Whether the kernel takes this number of channels."""
    return channels >= MIN_CHANNELS


@functools.cache
def verify(narrow: bool) -> str:
    """Return why a library of the kernel cannot be used; empty if it can, and gives the numbers of PyTorch."""
    library, remark = load_kernel(narrow)
    if library is None:
        return remark
    wrong = [name for name in ACTIVATIONS if not matches_pytorch(name, MIN_CHANNELS if narrow else WIDE_CHANNELS)]
    return f"its results for {wrong[0] or 'no activation'} differ from PyTorch's" if wrong else ""


def matches_pytorch(activation: str, channels: int) -> bool:
    """Whether a small tail and its gradients match PyTorch's, within the rounding of bfloat16."""
    from zoo_classifiers.convnet.layers import BiasNorm

    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        torch.manual_seed(0)
        norm = BiasNorm(channels, 0.4)
        nn.init.normal_(norm.bias)
        x = torch.randn(4, channels, 7, 7).bfloat16().float().requires_grad_()
        weights = torch.randn(4, channels, 3, 3)
        results = []
        for tail in (plain_tail, norm_tail):
            y = tail(x, norm, activation, True).float()
            results.append([y.detach(), *torch.autograd.grad((y * weights).sum(), [x, norm.bias])])
    return all(bool((a - b).norm() <= 0.01 * a.norm()) for a, b in zip(*results, strict=True))


def plain_tail(x: Tensor, norm: Norm, activation: str, pool: bool) -> Tensor:
    """Compute `norm_tail` with PyTorch, with maxima of values rounded to bfloat16, as the kernel does."""
    from zoo_classifiers.convnet.layers import ACTIVATIONS as PLAIN

    x = norm(x)
    x = (PLAIN[activation](x) if activation else x).bfloat16()
    return F.max_pool2d(x, 2) if pool else x
