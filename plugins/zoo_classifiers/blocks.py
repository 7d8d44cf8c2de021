"""A block: convolution, norm, activation, pooling, and perhaps a shortcut around them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_classifiers.maximum import average, pool
from zoo_classifiers.pooling import Regions, Window
from zoo_classifiers.progressions import between
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
    """The activation of that name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](x)

    def extra_repr(self) -> str:
        return self.name


def convolution(spec: CNNSpec, inputs: int, outputs: int) -> nn.Module:
    """A convolution that keeps height and width, or the separable pair in its place."""
    k, half = spec.kernel, spec.kernel // 2
    if spec.convolution == "full":
        return nn.Conv2d(inputs, outputs, k, padding=half, bias=spec.bias)
    middle = between(inputs, outputs, k, spec.ratio)
    return nn.Sequential(
        nn.Conv2d(inputs, middle, (1, k), padding=(0, half), bias=spec.bias),
        nn.Conv2d(middle, outputs, (k, 1), padding=(half, 0), bias=spec.bias),
    )


class Norm(nn.BatchNorm2d):
    """Batch normalisation that always has its parameters, running statistics and momentum."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float


class Block(nn.Module):
    """(N, inputs, H, W) to (N, outputs, H', W') as `window` says."""

    def __init__(self, spec: CNNSpec, inputs: int, outputs: int, window: Window) -> None:
        super().__init__()
        self.window, self.placed, self.outputs = window, spec.norm, outputs
        self.conv = convolution(spec, inputs, outputs)
        self.activation = Activation(spec.activation)
        self.norm = None if spec.norm == "none" else Norm(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if spec.residual else None

    def tail(self, x: Tensor, regions: Regions) -> Tensor:
        """Norm, activation and pooling of x (N, outputs, H, W) by stock operations."""
        return pool(self.dense(x), self.window, regions)

    def dense(self, x: Tensor) -> Tensor:
        """Norm and activation of x (N, outputs, H, W)."""
        if self.norm is not None and self.placed == "before":
            x = self.norm(x)
        x = self.activation(x)
        if self.norm is not None and self.placed == "after":
            x = self.norm(x)
        return x

    def forward(self, x: Tensor, regions: Regions, tail: Tail | None = None) -> Tensor:
        y = self.conv(x)
        y = self.tail(y, regions) if tail is None else tail(self, y, regions)
        if self.shortcut is None:
            return y
        skipped: Tensor = self.shortcut(average(x, self.window))
        return y + skipped


Tail = Callable[[Block, Tensor, Regions], Tensor]
"""Another way to compute Block.tail."""
