"""Pooling over given regions: PyTorch's own, or by gathers that every device has and whose sums have a fixed order."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo_classifiers.compiling import ready
from zoo_classifiers.pooling import Regions, Size, Window


def stock(device: torch.device) -> bool:
    """Whether PyTorch's own pooling is used there: MPS lacks it, and CUDA adds gradients up in any order."""
    return device.type in ("cpu", "meta")


def pool(x: Tensor, window: Window, regions: Regions) -> Tensor:
    """Fractional max pooling of x (N, C, H, W) with the same regions for all pictures and channels."""
    if window.inputs == window.outputs:
        return x
    if not stock(x.device):
        return pictures(Pool.apply(pixels(x), window, regions.rows, regions.columns, False), window.outputs)
    samples = regions.samples.expand(*x.shape[:2], 2).contiguous()
    # The library takes the samples in the dtype of x, and bfloat16 samples would give other regions.
    pooled = F.fractional_max_pool2d(x.float(), window.kernel, window.outputs, _random_samples=samples)
    return pooled.to(x.dtype)


def average(x: Tensor, window: Window) -> Tensor:
    """Averages of x (N, C, H, W) over the window's equal parts, as adaptive_avg_pool2d gives them."""
    if window.inputs == window.outputs:
        return x
    if stock(x.device):
        return F.adaptive_avg_pool2d(x, window.outputs)
    rows, columns = (overlap(i, o, x.device) for i, o in zip(window.inputs, window.outputs, strict=True))
    with torch.autocast(x.device.type, enabled=False):  # it would round the sums
        sums = rows @ x.float() @ columns.T
    return (sums / (rows.sum(1)[:, None] * columns.sum(1))).to(x.dtype)


def overlap(inputs: int, outputs: int, device: torch.device) -> Tensor:
    """Which of `inputs` lines reach into each of `outputs` equal parts: ones and zeros (outputs, inputs)."""
    line, part = torch.arange(inputs, device=device), torch.arange(outputs, device=device)[:, None]
    return ((line * outputs < (part + 1) * inputs) & ((line + 1) * outputs > part * inputs)).float()


def pixels(x: Tensor) -> Tensor:
    """x (N, C, H, W) as (N, H * W, C), without a copy where it is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def pictures(x: Tensor, size: Size) -> Tensor:
    """The way back: (N, H * W, C) as (N, C, H, W), channels-last."""
    return x.view(x.shape[0], *size, x.shape[2]).permute(0, 3, 1, 2)


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


def reverse(starts: Tensor, size: int, offset: int) -> tuple[Tensor, Tensor]:
    """For each of `size` lines the region that holds it at `offset`, and whether there is one."""
    lines = torch.arange(size, device=starts.device) - offset
    region = (torch.searchsorted(starts, lines, right=True) - 1).clamp(min=0)
    return region, starts[region] == lines


class Pool(torch.autograd.Function):
    """Max pooling of x (N, pixels, C) over regions of a window, `quick` by compiled functions; both ways gather."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window, rows: Tensor, columns: Tensor, quick: bool) -> Tensor:
        ctx.window, ctx.quick = window, quick
        height, width = window.kernel
        corner = rows[:, None] * window.inputs[1] + columns
        offsets = [dy * window.inputs[1] + dx for dy in range(height) for dx in range(width)]
        values = [x.index_select(1, (corner + offset).flatten()) for offset in offsets]
        best, code = (ready(choose, len(values)) if quick else choose)(values)
        ctx.save_for_backward(code, rows, columns)
        return cast(Tensor, best)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        code, rows, columns = ctx.saved_tensors
        window: Window = ctx.window
        height, width = window.kernel
        count = height * width
        shares = (ready(share, count) if ctx.quick else share)(grad.contiguous(), code.to(grad.dtype), count)
        parts, held = [], []
        for k, part in enumerate(shares):
            i, in_row = reverse(rows, window.inputs[0], k // width)
            j, in_column = reverse(columns, window.inputs[1], k % width)
            parts.append(part.index_select(1, (i[:, None] * window.outputs[1] + j).flatten()))
            held.append((in_row[:, None] & in_column).view(-1, 1))
        return (ready(gathered, count) if ctx.quick else gathered)(parts, held), None, None, None, None
