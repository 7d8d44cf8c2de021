"""The classifier: a whitening convolution, groups of convolutions, a global maximum and a linear layer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo import DataInfo
from zoo.core import Batch, Losses, ZooError
from zoo.models import Classifier, why_not_compiled
from zoo_classifiers.convnet import native
from zoo_classifiers.convnet.layers import Unit, make_group
from zoo_classifiers.convnet.spec import ConvNetSpec
from zoo_classifiers.convnet.whitening import Whitening

LEAST_SIDE, LEAST_POOLED = 8, 4
"""Smallest height and width in pixels of a picture, and of a map that is pooled."""


def group_channels(spec: ConvNetSpec) -> list[int]:
    """Compute the channels of each group."""
    return [min(spec.widest, round(spec.first * spec.growth**number)) for number in range(spec.groups)]


class ConvNet(Classifier):
    """A classifier for the pictures that `info` describes."""

    def __init__(self, spec: ConvNetSpec, info: DataInfo) -> None:
        super().__init__(info, spec.label_smoothing)
        self.spec = spec
        channels, height, width = info.shape
        side = min(height, width)
        if side < LEAST_SIDE:
            text = f"pictures of {height}x{width} are too small for convnet"
            raise ZooError(text, f"enlarge them to {LEAST_SIDE}x{LEAST_SIDE} or more, or choose cnn")
        self.whitening = Whitening(channels, spec.patch, spec.activation)
        self.groups = nn.Sequential()
        side -= spec.patch - 1
        for inputs, outputs in pairwise([self.whitening.outputs, *group_channels(spec)]):
            pool = side >= LEAST_POOLED
            self.groups.append(make_group(spec, inputs, outputs, pool))
            side = side // 2 if pool else side
        self.head = nn.Linear(group_channels(spec)[-1], len(info.classes), bias=False)

    def initialise(self, batch: Batch) -> None:
        """Compute the filters of the whitening layer from pictures."""
        self.whitening.fit((batch.x - self.mean) / self.std)

    def logits(self, x: Tensor) -> Tensor:
        x = self.groups(self.whitening(x))
        return cast(Tensor, self.head(x.amax((2, 3)))) * self.spec.scale

    @property
    def takes_mixed_labels(self) -> bool:
        return True

    @property
    def takes_smaller_pictures(self) -> bool:
        return True

    def losses(self, batch: Batch) -> Losses:
        self.whitening.learns = not self.spec.bias_share < batch.done < 1  # it is 1 outside of a training
        return super().losses(batch)

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """Use the native kernel (bfloat16) on the CPU, and compile the network elsewhere."""
        device = self.whitening.bias.device.type
        if device != "cpu":
            if reason := why_not_compiled(device):
                return f"plain PyTorch ({reason})"
            self.compile(dynamic=False)
            return "torch.compile"
        if autocast != torch.bfloat16:
            return "plain PyTorch (the native kernel needs bfloat16)"
        parts = self.kernel_parts()
        if reason := native.why_not(tuple(sorted(parts.values()))):
            return f"plain PyTorch (no native kernel: {reason})"
        for part in parts:
            part.native = True
        return "native kernel"

    def kernel_parts(self) -> dict[Any, int]:
        """Return the parts that the native kernel can compute, with their channels."""
        units = {each: each.norm.num_features for each in self.modules() if isinstance(each, Unit)}
        found: dict[Any, int] = {self.whitening: self.whitening.outputs, **units}
        return {part: channels for part, channels in found.items() if native.fits(channels)}
