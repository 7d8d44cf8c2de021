"""A block's tail (norm, activation, pooling) by small compiled functions and gathers, for any device and type."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo_classifiers.blocks import ACTIVATIONS, Block
from zoo_classifiers.pooling import Pools, Regions, Size, Window
from zoo_classifiers.spec import CNNSpec


def mish(x: Tensor) -> Tensor:
    """x tanh(log(1 + e^x)) with one exponential and one division."""
    e = x.clamp(max=20).exp()
    n = e * (e + 2)
    return x * (n / (n + 2))


FORMULAS = ACTIVATIONS | {"mish": mish}


def normed(x: Tensor, stats: tuple[Tensor, ...], training: bool, momentum: float, eps: float) -> Tensor:
    """Batch normalisation of x (pixels, C) with running mean and variance, weight and bias."""
    mean, variance, weight, bias = stats
    return F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)


def dense(
    x: Tensor, stats: tuple[Tensor, ...], training: bool, momentum: float, eps: float, placed: str, name: str
) -> Tensor:
    """Norm and activation of x (pixels, C)."""
    if placed == "before":
        x = normed(x, stats, training, momentum, eps)
    x = FORMULAS[name](x)
    return normed(x, stats, training, momentum, eps) if placed == "after" else x


def choose(values: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The greatest of the tensors, the first among equals, and which one it is."""
    best, code = values[0], torch.zeros_like(values[0])
    for k, value in enumerate(values[1:], start=1):
        more = value > best
        best, code = torch.where(more, value, best), torch.where(more, float(k), code)
    return best, code.to(torch.uint8)


def share(grad: Tensor, code: Tensor, count: int) -> list[Tensor]:
    """What each of `count` offsets gets of the gradient; code is in the gradient's type, which keeps vectors whole."""
    return [torch.where(code == k, grad, 0.0) for k in range(count)]


def gathered(parts: list[Tensor], held: list[Tensor]) -> Tensor:
    """The sum of the parts (N, pixels, C) at the pixels that are held (pixels, 1)."""
    return cast(Tensor, sum(torch.where(mask, part, 0.0) for part, mask in zip(parts, held, strict=True)))


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled once for all sizes."""
    return torch.compile(function, dynamic=True)


def ready(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is best called: compiled, or as it is where all around it is being compiled."""
    return function if torch.compiler.is_compiling() else compiled(function)


def reverse(starts: Tensor, size: int, offset: int) -> tuple[Tensor, Tensor]:
    """For each of `size` lines the region that holds it at `offset`, and whether there is one."""
    lines = torch.arange(size, device=starts.device) - offset
    region = (torch.searchsorted(starts, lines, right=True) - 1).clamp(min=0)
    return region, starts[region] == lines


class Pool(torch.autograd.Function):
    """Max pooling of x (N, pixels, C) over regions of a window; both ways are gathers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.window = window
        height, width = window.kernel
        corner = rows[:, None] * window.inputs[1] + columns
        offsets = [dy * window.inputs[1] + dx for dy in range(height) for dx in range(width)]
        best, code = ready(choose)([x.index_select(1, (corner + offset).flatten()) for offset in offsets])
        ctx.save_for_backward(code, rows, columns)
        return cast(Tensor, best)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        code, rows, columns = ctx.saved_tensors
        window: Window = ctx.window
        height, width = window.kernel
        shares = ready(share)(grad.contiguous(), code.to(grad.dtype), height * width)
        parts, held = [], []
        for k, part in enumerate(shares):
            i, in_row = reverse(rows, window.inputs[0], k // width)
            j, in_column = reverse(columns, window.inputs[1], k % width)
            parts.append(part.index_select(1, (i[:, None] * window.outputs[1] + j).flatten()))
            held.append((in_row[:, None] & in_column).view(-1, 1))
        return ready(gathered)(parts, held), None, None, None


def pixels(x: Tensor) -> Tensor:
    """x (N, C, H, W) as (N, H * W, C), without a copy where it is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def pictures(x: Tensor, size: Size) -> Tensor:
    """The way back: (N, H * W, C) as (N, C, H, W), channels-last."""
    return x.view(x.shape[0], *size, x.shape[2]).permute(0, 3, 1, 2)


def tail(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """As Block.tail."""
    norm, flat = block.norm, pixels(x)
    stats = () if norm is None else (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    training, momentum, eps = (False, 0.0, 0.0) if norm is None else (norm.training, norm.momentum, norm.eps)
    if norm is not None and training:
        norm.num_batches_tracked.add_(1)
    options = (training, momentum, eps, block.placed, block.activation.name)
    y = ready(dense)(flat.flatten(0, 1), stats, *options).view_as(flat)
    if block.window.inputs != block.window.outputs:
        y = Pool.apply(y, block.window, regions.rows, regions.columns)
    return pictures(y, block.window.outputs)


@functools.cache
def works(placed: str, activation: str, dtype: torch.dtype) -> str:
    """Compile for these options on the CPU; an empty string, or why that fails."""
    window = Window((7, 6), (4, 4))
    block = Block(CNNSpec.model_validate({"norm": placed, "activation": activation}), 1, 16, window)
    (regions,) = Pools([window]).regions(torch.full((1, 2), 0.5), torch.device("cpu"))
    x = torch.linspace(-2, 2, 3 * 16 * 42).view(3, 16, 7, 6).to(dtype).requires_grad_()
    try:
        torch.autograd.grad(tail(block, x, regions).sum(), x)
    except Exception as error:  # without a compiler, or with one that fails, training goes on uncompiled
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""
