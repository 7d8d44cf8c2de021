"""A block's tail (norm, activation, pooling) with small compiled functions and gathers, for any device and dtype."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.models import as_float32
from zoo_classifiers.blocks import ACTIVATIONS, Block
from zoo_classifiers.compiling import maybe_compile
from zoo_classifiers.pooling import GatherMaxPool, Pools, Regions, Window, from_pixels, to_pixels
from zoo_classifiers.spec import CNNSpec


def mish(x: Tensor) -> Tensor:
    """Compute mish, x tanh(log(1 + e^x)), with one exponential and one division."""
    wide = as_float32(x)  # in float16 the square would overflow from x = 5.5
    e = wide.clamp(max=20).exp()
    n = e * (e + 2)
    return (wide * (n / (n + 2))).to(x.dtype)


FORMULAS = ACTIVATIONS | {"mish": mish}


def batch_norm(x: Tensor, stats: tuple[Tensor, ...], training: bool, momentum: float, eps: float) -> Tensor:
    """Apply batch normalisation to x (pixels, C); `stats`: running mean and variance, weight and bias."""
    mean, variance, weight, bias = stats
    return F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)


def norm_and_activation(
    x: Tensor, stats: tuple[Tensor, ...], training: bool, momentum: float, eps: float, norm_position: str, name: str
) -> Tensor:
    """Apply norm and activation to x (pixels, C)."""
    if norm_position == "before":
        x = batch_norm(x, stats, training, momentum, eps)
    x = FORMULAS[name](x)
    return batch_norm(x, stats, training, momentum, eps) if norm_position == "after" else x


def compiled_tail(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """Compute Block.tail with compiled functions."""
    norm, flat = block.norm, to_pixels(x)
    stats = () if norm is None else (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    training, momentum, eps = (False, 0.0, 0.0) if norm is None else (norm.training, norm.momentum, norm.eps)
    if norm is not None and training:
        norm.num_batches_tracked.add_(1)
    options = (training, momentum, eps, block.norm_position, block.activation.name)
    y = maybe_compile(norm_and_activation, *options)(flat.flatten(0, 1), stats, *options).view_as(flat)
    if block.window.inputs != block.window.outputs:
        y = GatherMaxPool.apply(y, block.window, regions.rows, regions.columns, True)
    return from_pixels(y, block.window.outputs)


@functools.cache
def why_compile_fails(norm_position: str, activation: str, dtype: torch.dtype) -> str:
    """Try to compile for these options on the CPU; return an empty string, or why it failed."""
    window = Window((7, 6), (4, 4))
    with torch.random.fork_rng(devices=[]):
        block = Block(CNNSpec.model_validate({"norm": norm_position, "activation": activation}), 1, 16, window)
    (regions,) = Pools([window]).regions(torch.full((1, 2), 0.5), torch.device("cpu"))
    x = torch.linspace(-2, 2, 3 * 16 * 42).view(3, 16, 7, 6).to(dtype).requires_grad_()
    try:
        torch.autograd.grad(compiled_tail(block, x, regions).sum(), x)
    except Exception as error:  # without a working compiler, training continues uncompiled
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""
