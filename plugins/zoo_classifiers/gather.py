"""A block's tail (norm, activation, pooling) by small compiled functions and gathers, for any device and type."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_classifiers.blocks import ACTIVATIONS, Block
from zoo_classifiers.compiling import ready
from zoo_classifiers.maximum import Pool, pictures, pixels
from zoo_classifiers.pooling import Pools, Regions, Window
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


def tail(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """As Block.tail."""
    norm, flat = block.norm, pixels(x)
    stats = () if norm is None else (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    training, momentum, eps = (False, 0.0, 0.0) if norm is None else (norm.training, norm.momentum, norm.eps)
    if norm is not None and training:
        norm.num_batches_tracked.add_(1)
    options = (training, momentum, eps, block.placed, block.activation.name)
    y = ready(dense, *options)(flat.flatten(0, 1), stats, *options).view_as(flat)
    if block.window.inputs != block.window.outputs:
        y = Pool.apply(y, block.window, regions.rows, regions.columns, True)
    return pictures(y, block.window.outputs)


@functools.cache
def works(placed: str, activation: str, dtype: torch.dtype) -> str:
    """Compile for these options on the CPU; an empty string, or why that fails."""
    window = Window((7, 6), (4, 4))
    with torch.random.fork_rng(devices=[]):
        block = Block(CNNSpec.model_validate({"norm": placed, "activation": activation}), 1, 16, window)
    (regions,) = Pools([window]).regions(torch.full((1, 2), 0.5), torch.device("cpu"))
    x = torch.linspace(-2, 2, 3 * 16 * 42).view(3, 16, 7, 6).to(dtype).requires_grad_()
    try:
        torch.autograd.grad(tail(block, x, regions).sum(), x)
    except Exception as error:  # without a compiler, or with one that fails, training goes on uncompiled
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""
