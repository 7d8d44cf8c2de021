"""A block: convolution, norm, activation, pooling, optionally a shortcut; and the channels and sizes of a network."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_classifiers.pooling import Regions, Window, average_pool, max_pool
from zoo_classifiers.spec import CNNSpec

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mish": F.mish,
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "leaky-relu": F.leaky_relu,
    "elu": F.elu,
}


class Activation(nn.Module):
    """Apply the activation function with the given name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](x)

    def extra_repr(self) -> str:
        return self.name


def make_convolution(spec: CNNSpec, inputs: int, outputs: int) -> nn.Module:
    """Build a convolution that keeps height and width, or a separable pair of convolutions."""
    k, half = spec.kernel, spec.kernel // 2
    if spec.convolution == "full":
        return nn.Conv2d(inputs, outputs, k, padding=half, bias=spec.bias)
    middle = separable_channels(inputs, outputs, k, spec.ratio)
    return nn.Sequential(
        nn.Conv2d(inputs, middle, (1, k), padding=(0, half), bias=spec.bias),
        nn.Conv2d(middle, outputs, (k, 1), padding=(half, 0), bias=spec.bias),
    )


class Norm(nn.BatchNorm2d):
    """Batch normalisation whose parameters, running statistics and momentum are never None."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float


class Block(nn.Module):
    """Map (N, inputs, H, W) to (N, outputs, H', W'), with the sizes of `window`."""

    def __init__(self, spec: CNNSpec, inputs: int, outputs: int, window: Window) -> None:
        super().__init__()
        self.window, self.norm_position, self.outputs = window, spec.norm, outputs
        self.conv = make_convolution(spec, inputs, outputs)
        self.activation = Activation(spec.activation)
        self.norm = None if spec.norm == "none" else Norm(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if spec.residual else None

    def tail(self, x: Tensor, regions: Regions) -> Tensor:
        """Apply norm, activation and pooling to x (N, outputs, H, W) with PyTorch's own operations."""
        return max_pool(self.dense(x), self.window, regions)

    def dense(self, x: Tensor) -> Tensor:
        """Apply norm and activation to x (N, outputs, H, W)."""
        if self.norm is not None and self.norm_position == "before":
            x = self.norm(x)
        x = self.activation(x)
        if self.norm is not None and self.norm_position == "after":
            x = self.norm(x)
        return x

    def forward(self, x: Tensor, regions: Regions, tail: Tail | None = None) -> Tensor:
        y = self.conv(x)
        y = self.tail(y, regions) if tail is None else tail(self, y, regions)
        if self.shortcut is None:
            return y
        skipped: Tensor = self.shortcut(average_pool(x, self.window))
        return y + skipped


Tail = Callable[[Block, Tensor, Regions], Tensor]
"""A function that computes the same as Block.tail."""


def round_to_positive(value: float) -> int:
    """Round to the nearest whole number, at least 1; halves round up."""
    return max(1, math.floor(value + 0.5))


def progression(first: int, last: int, steps: int) -> list[int]:
    """Compute a geometric progression of `steps` + 1 whole numbers from `first` to `last`."""
    if steps == 0:
        return [first]
    return [round_to_positive(first * (last / first) ** (step / steps)) for step in range(steps)] + [last]


def block_channels(first: int, last: int, blocks: int) -> list[int]:
    """Compute the channels after each block; a single block has `last`."""
    return progression(first, last, blocks - 1) if blocks > 1 else [last]


def separable_channels(inputs: int, outputs: int, kernel: int, ratio: float | None) -> int:
    """Compute the channels between 1 x k and k x 1.

    With `ratio` the pair has that many weights per weight of a k x k convolution; without it they are the geometric
    mean of `inputs` and `outputs`.
    """
    if ratio is None:
        return round_to_positive(math.sqrt(inputs * outputs))
    return round_to_positive(ratio * kernel * inputs * outputs / (inputs + outputs))
