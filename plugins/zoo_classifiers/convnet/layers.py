"""The layers of a convnet: units of convolution, norm, activation and pooling, and residual blocks of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_classifiers.blocks import Norm
from zoo_classifiers.convnet import native
from zoo_classifiers.convnet.spec import ConvNetSpec


def gelu(x: Tensor) -> Tensor:
    """Apply GELU in its approximation with tanh (Hendrycks and Gimpel 2016, arXiv:1606.08415)."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "relu": F.relu, "silu": F.silu, "mish": F.mish}


class BiasNorm(Norm):
    """Batch normalisation with a bias but no scale, since the convolution after it can scale."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__(channels, momentum=momentum, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        one = torch.ones_like(self.bias)  # some devices need a scale
        return F.batch_norm(
            x, self.running_mean, self.running_var, one, self.bias, self.training, self.momentum, self.eps
        )


def convolution(spec: ConvNetSpec, inputs: int, outputs: int) -> nn.Sequential:
    """Build a convolution of one or two layers, which begins as the identity on as many channels as possible."""
    k, half = spec.kernel, spec.kernel // 2
    if spec.convolution == "full":
        layers = [nn.Conv2d(inputs, outputs, k, padding=half, bias=False)]
    elif spec.convolution == "separable":
        layers = [
            nn.Conv2d(inputs, outputs, (1, k), padding=(0, half), bias=False),
            nn.Conv2d(outputs, outputs, (k, 1), padding=(half, 0), bias=False),
        ]
    else:
        layers = [
            nn.Conv2d(inputs, inputs, k, padding=half, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        ]
    for layer in layers:
        nn.init.dirac_(layer.weight.detach()[: layer.in_channels], groups=layer.groups)
    return nn.Sequential(*layers)


class Unit(nn.Module):
    """Convolution, norm, activation and optional max pooling; `last` units of a residual block have no activation."""

    def __init__(self, spec: ConvNetSpec, inputs: int, outputs: int, pool: bool = False, last: bool = False) -> None:
        super().__init__()
        self.conv = convolution(spec, inputs, outputs)
        self.norm = BiasNorm(outputs, spec.momentum)
        self.pool, self.activation, self.native = pool, "" if last else spec.activation, False

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.conv(x))

    def tail(self, x: Tensor) -> Tensor:
        """Apply norm, activation and pooling to x (N, C, H, W)."""
        if self.native and x.device.type == "cpu":
            return native.norm_tail(x, self.norm, self.activation, self.pool)
        x = self.norm(x)
        x = ACTIVATIONS[self.activation](x) if self.activation else x
        return F.max_pool2d(x, 2) if self.pool else x


class Residual(nn.Module):
    """One or two units whose result is added to their input."""

    def __init__(self, spec: ConvNetSpec, channels: int, units: int) -> None:
        super().__init__()
        self.units = nn.Sequential(*(Unit(spec, channels, channels, last=i + 1 == units) for i in range(units)))
        self.activation = spec.activation

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation](self.units(x) + x)


def make_group(spec: ConvNetSpec, inputs: int, outputs: int, pool: bool) -> nn.Sequential:
    """Build a group of `depth` convolutions, of which the first or the last pools if `pool` is true."""
    rest = spec.depth - 1
    late = pool and spec.pool == "last" and rest > 0
    first = Unit(spec, inputs, outputs, pool and not late)
    if spec.shortcut == "none":
        return nn.Sequential(first, *(Unit(spec, outputs, outputs, late and i + 1 == rest) for i in range(rest)))
    blocks = [Residual(spec, outputs, min(2, rest - i)) for i in range(0, rest, 2)]
    return nn.Sequential(first, *blocks, *[nn.MaxPool2d(2)] * late)
