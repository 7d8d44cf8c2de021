"""Fractional max pooling (arXiv:1412.6071): random regions for each batch, and pooling over them on any device."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo.core import to_device
from zoo_classifiers.compiling import maybe_compile

Size = tuple[int, int]


class Window(NamedTuple):
    """Input and output size of a pooling, as (height, width)."""

    inputs: Size
    outputs: Size

    @property
    def kernel(self) -> Size:
        """Height and width of a region: usually 2, more if regions would leave gaps, 1 without pooling."""
        height, width = (1 if i == o else max(2, -(-i // o)) for i, o in zip(self.inputs, self.outputs, strict=True))
        return height, width


class Regions(NamedTuple):
    """Start indices of a window's regions, `rows` (H',) and `columns` (W',), from `samples` (width's, height's)."""

    samples: Tensor
    rows: Tensor
    columns: Tensor


class Pools:
    """The windows of a network's blocks; regions are computed for all of them at once."""

    def __init__(self, windows: list[Window]) -> None:
        self.windows = windows
        axes = [axis for w in windows for axis in zip(w.inputs, w.outputs, w.kernel, strict=True)]
        with torch.device("cpu"):  # even if the model is built on the meta device
            self.last = torch.tensor([i - k for i, _, k in axes])
            self.outputs = torch.tensor([o for _, o, _ in axes])
            self.pooled = torch.tensor([i != o for i, o, _ in axes])
            self.step = self.last.float() / (self.outputs - 1).clamp(min=1).float()
            self.index = torch.arange(int(self.outputs.max()))

    def regions(self, samples: Tensor, device: torch.device) -> list[Regions]:
        """Compute each window's regions from `samples` in [0, 1), (windows, 2) for height and width, on the CPU."""
        u = torch.where(self.pooled, samples.flatten(), 0.0)
        starts = ((self.index + u[:, None]) * self.step[:, None]).long() - (u * self.step).long()[:, None]
        starts = torch.where(self.index < self.outputs[:, None] - 1, starts, self.last[:, None])
        starts, flipped = (to_device(each, device) for each in (starts, u.view(-1, 2).flip(1)))
        return [
            Regions(flipped[n], starts[2 * n, : w.outputs[0]], starts[2 * n + 1, : w.outputs[1]])
            for n, w in enumerate(self.windows)
        ]


def has_native_pooling(device: torch.device) -> bool:
    """Whether PyTorch's own pooling is used: MPS lacks it, and CUDA sums gradients in no fixed order."""
    return device.type in ("cpu", "meta")


def max_pool(x: Tensor, window: Window, regions: Regions) -> Tensor:
    """Apply fractional max pooling to x (N, C, H, W), with the same regions for all pictures and channels."""
    if window.inputs == window.outputs:
        return x
    if not has_native_pooling(x.device):
        return from_pixels(
            GatherMaxPool.apply(to_pixels(x), window, regions.rows, regions.columns, False), window.outputs
        )
    if torch.compiler.is_exporting():
        return max_of_lines(max_of_lines(x, 2, regions.rows, window.kernel[0]), 3, regions.columns, window.kernel[1])
    samples = regions.samples.expand(*x.shape[:2], 2).contiguous()
    # PyTorch needs samples in the dtype of x, and bfloat16 samples would give other regions.
    pooled = F.fractional_max_pool2d(x.float(), window.kernel, window.outputs, _random_samples=samples)
    return pooled.to(x.dtype)


def max_of_lines(x: Tensor, axis: int, starts: Tensor, count: int) -> Tensor:
    """Take the maximum of the `count` lines from each start along an axis: plain operations that any format has."""
    best = x.index_select(axis, starts)
    for offset in range(1, count):
        best = torch.maximum(best, x.index_select(axis, starts + offset))
    return best


def average_pool(x: Tensor, window: Window) -> Tensor:
    """Average x (N, C, H, W) over the window's equal parts, as adaptive_avg_pool2d does."""
    if window.inputs == window.outputs:
        return x
    if has_native_pooling(x.device) and not torch.compiler.is_exporting():
        return F.adaptive_avg_pool2d(x, window.outputs)
    rows, columns = (overlap_matrix(i, o, x.device) for i, o in zip(window.inputs, window.outputs, strict=True))
    with torch.autocast(x.device.type, enabled=False):  # it would round the sums
        sums = rows @ x.float() @ columns.T
    return (sums / (rows.sum(1)[:, None] * columns.sum(1))).to(x.dtype)


def overlap_matrix(inputs: int, outputs: int, device: torch.device) -> Tensor:
    """Mark with ones which of `inputs` lines overlap each of `outputs` equal parts: (outputs, inputs)."""
    line, part = torch.arange(inputs, device=device), torch.arange(outputs, device=device)[:, None]
    return ((line * outputs < (part + 1) * inputs) & ((line + 1) * outputs > part * inputs)).float()


def to_pixels(x: Tensor) -> Tensor:
    """Reshape x (N, C, H, W) to (N, H * W, C), without a copy if it is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def from_pixels(x: Tensor, size: Size) -> Tensor:
    """Reshape x (N, H * W, C) to (N, C, H, W), channels-last."""
    return x.view(x.shape[0], *size, x.shape[2]).permute(0, 3, 1, 2)


def max_with_index(values: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the elementwise maximum of the tensors, and the index of the first tensor that has it."""
    best, code = values[0], torch.zeros_like(values[0])
    for k, value in enumerate(values[1:], start=1):
        more = value > best
        best, code = torch.where(more, value, best), torch.where(more, float(k), code)
    return best, code.to(torch.uint8)


def split_gradient(grad: Tensor, code: Tensor, count: int) -> list[Tensor]:
    """Split the gradient by offset; `code` has the gradient's dtype, which vectorises better."""
    return [torch.where(code == k, grad, 0.0) for k in range(count)]


def masked_sum(parts: list[Tensor], held: list[Tensor]) -> Tensor:
    """Sum the parts (N, pixels, C), each at the pixels of its mask (pixels, 1)."""
    return cast(Tensor, sum(torch.where(mask, part, 0.0) for part, mask in zip(parts, held, strict=True)))


def region_of_line(starts: Tensor, size: int, offset: int) -> tuple[Tensor, Tensor]:
    """For each of `size` lines, find the region that has it at `offset`, and whether there is one."""
    lines = torch.arange(size, device=starts.device) - offset
    region = (torch.searchsorted(starts, lines, right=True) - 1).clamp(min=0)
    return region, starts[region] == lines


class GatherMaxPool(torch.autograd.Function):
    """Max pooling of x (N, pixels, C) over a window's regions by gathers, optionally with compiled functions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window, rows: Tensor, columns: Tensor, compiled: bool) -> Tensor:
        ctx.window, ctx.compiled = window, compiled
        height, width = window.kernel
        corner = rows[:, None] * window.inputs[1] + columns
        offsets = [dy * window.inputs[1] + dx for dy in range(height) for dx in range(width)]
        values = [x.index_select(1, (corner + offset).flatten()) for offset in offsets]
        best, code = (maybe_compile(max_with_index, len(values)) if compiled else max_with_index)(values)
        ctx.save_for_backward(code, rows, columns)
        return cast(Tensor, best)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        code, rows, columns = ctx.saved_tensors
        window: Window = ctx.window
        height, width = window.kernel
        count = height * width
        shares = (maybe_compile(split_gradient, count) if ctx.compiled else split_gradient)(
            grad.contiguous(), code.to(grad.dtype), count
        )
        parts, held = [], []
        for k, part in enumerate(shares):
            i, in_row = region_of_line(rows, window.inputs[0], k // width)
            j, in_column = region_of_line(columns, window.inputs[1], k % width)
            parts.append(part.index_select(1, (i[:, None] * window.outputs[1] + j).flatten()))
            held.append((in_row[:, None] & in_column).view(-1, 1))
        return (
            (maybe_compile(masked_sum, count) if ctx.compiled else masked_sum)(parts, held),
            None,
            None,
            None,
            None,
        )
