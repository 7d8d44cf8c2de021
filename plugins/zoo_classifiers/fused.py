"""A block's tail (norm, activation, pooling) by the native kernel, as one differentiable operation."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo_classifiers.blocks import Block, Norm
from zoo_classifiers.maximum import pool
from zoo_classifiers.native import find
from zoo_classifiers.pooling import Pools, Regions, Window
from zoo_classifiers.spec import CNNSpec

LEAST, WIDE = 8, 32  # channels that short vectors need, and that vectors of any machine do
ACTIVATIONS = ("mish", "silu", "relu")  # by their numbers in the kernel
LAYOUT = torch.channels_last


class Shape(ctypes.Structure):
    """The sizes and choices of one call."""

    names = "n c h w oh ow kh kw activation batch threads"
    _fields_ = [(name, ctypes.c_int64) for name in names.split()]


class Data(ctypes.Structure):
    """Where the tensors' values lie."""

    names = "rows columns x scale shift mean rstd out winner code grad slope dx dscale dshift"
    _fields_ = [(name, ctypes.c_void_p) for name in names.split()]

    @classmethod
    def of(cls, **tensors: Tensor) -> Data:
        """The tensors must outlive the call."""
        return cls(**{name: tensor.data_ptr() for name, tensor in tensors.items()})


class Tail(torch.autograd.Function):
    """Pooled activation of x (N, C, H, W), normalised by mean and rstd (C,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor, *rest: Any) -> Tensor:
        ctx.library, ctx.shape, regions = rest
        scale = weight * rstd
        given = {"rows": regions.rows, "columns": regions.columns, "x": x, "scale": scale, "shift": bias - mean * scale}
        out = torch.empty(x.shape[0], x.shape[1], ctx.shape.oh, ctx.shape.ow, dtype=x.dtype, memory_format=LAYOUT)
        kept = {}
        if any(ctx.needs_input_grad):
            kept = {"winner": torch.empty_like(out), "code": torch.empty_like(out, dtype=torch.uint8)}
        ctx.library.tail_forward(ctypes.byref(ctx.shape), ctypes.byref(Data.of(**given, **kept, out=out)))
        saved = given | kept | {"mean": mean, "rstd": rstd}
        ctx.names = tuple(saved)
        ctx.save_for_backward(*saved.values())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = dict(zip(ctx.names, ctx.saved_tensors, strict=True))
        saved["grad"] = grad.to(torch.bfloat16).contiguous(memory_format=LAYOUT)
        dx, slope = torch.empty_like(saved["x"]), torch.empty_like(saved["winner"])
        dweight, dbias = torch.empty_like(saved["mean"]), torch.empty_like(saved["mean"])
        data = Data.of(**saved, slope=slope, dx=dx, dscale=dweight, dshift=dbias)
        ctx.library.tail_backward(ctypes.byref(ctx.shape), ctypes.byref(data))
        return dx, dweight, dbias, *[None] * 5


def covers(block: Block) -> bool:
    """Whether the kernel can do the block's tail."""
    fits = block.outputs >= LEAST and max(block.window.kernel) <= 2
    return fits and block.placed != "after" and block.activation.name in ACTIVATIONS


def tail(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """As Block.tail, in bfloat16."""
    library = load(block.outputs < WIDE)[0]
    if library is None or not covers(block):
        raise ValueError("the native kernel cannot compute this block")
    return run(library, block, x, regions)


def run(library: ctypes.CDLL, block: Block, x: Tensor, regions: Regions) -> Tensor:
    """The tail by that library."""
    x = x.to(torch.bfloat16).contiguous(memory_format=LAYOUT)
    window, norm, activation = block.window, block.norm, ACTIVATIONS.index(block.activation.name)
    batch = norm is not None and norm.training
    shape = Shape(*x.shape, *window.outputs, *window.kernel, activation, batch, torch.get_num_threads())
    apply = cast("Callable[..., Tensor]", Tail.apply)
    if norm is None:
        one, zero = torch.ones(block.outputs), torch.zeros(block.outputs)
        return apply(x, one, zero, zero, one, library, shape, regions)
    mean, variance = statistics(library, shape, norm, x) if batch else (norm.running_mean, norm.running_var)
    return apply(x, norm.weight, norm.bias, mean, (variance + norm.eps).rsqrt(), library, shape, regions)


@torch.no_grad()
def statistics(library: ctypes.CDLL, shape: Shape, norm: Norm, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of x; the running ones follow them, as BatchNorm2d's own do."""
    mean, variance = torch.empty_like(norm.running_mean), torch.empty_like(norm.running_var)
    library.moments(ctypes.byref(shape), ctypes.byref(Data.of(x=x, mean=mean)), variance.data_ptr())
    count = shape.n * shape.h * shape.w
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (count / max(count - 1, 1)), norm.momentum)
    norm.num_batches_tracked.add_(1)
    return mean, variance


@functools.cache
def load(narrow: bool = False) -> tuple[ctypes.CDLL | None, str]:
    """The library and what it lacks, or None and the reason; never an error."""
    try:
        library, remark = find(narrow)
        wrong = [name for name in ACTIVATIONS if not agrees(library, name)]
    except Exception as error:  # whatever a compiler, a linker or a loader does, training goes on without
        return None, str(error)
    return (None, f"its results for {wrong[0]} differ from PyTorch's") if wrong else (library, remark)


def reference(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """As Block.tail, but like the kernel it compares activations rounded to bfloat16, so both find the same maxima."""
    return pool(block.dense(x).bfloat16(), block.window, regions)


def agrees(library: ctypes.CDLL, activation: str) -> bool:
    """Whether a small tail and its gradients are PyTorch's, within the rounding of bfloat16."""
    window = Window((7, 6), (4, 4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = Block(CNNSpec(activation=activation), 1, 35, window)
        x, (regions,) = torch.randn(5, 35, 7, 6), Pools([window]).regions(torch.rand(1, 2), torch.device("cpu"))
        weights = torch.randn(5, 35, 4, 4)
    x = x.bfloat16().float().requires_grad_()
    norm = cast(Norm, block.norm)
    inputs = [x, norm.weight, norm.bias]
    results = []
    for way in (reference, functools.partial(run, library)):
        y = way(block, x, regions).float()
        results.append([y, *torch.autograd.grad((y * weights).sum(), inputs)])
    return all((a - b).norm() <= 0.01 * a.norm() for a, b in zip(*results, strict=True))
