"""The classifier: a chain of blocks, then linear layers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo import DataInfo
from zoo.core import ZooError
from zoo.models import Classifier
from zoo_classifiers import dispatch
from zoo_classifiers.blocks import Activation, Block
from zoo_classifiers.pooling import Pools, Regions, Window
from zoo_classifiers.progressions import progression, widths
from zoo_classifiers.spec import CNNSpec

EVEN, FIXED = 0.5, 0.999
"""Region samples of max pooling, and of fractional pooling evaluated with one draw: 0.5 is the worst for that."""


def windows(spec: CNNSpec, height: int, width: int) -> list[Window]:
    """The pooling of each block; ZooError where the pictures are too small."""
    if min(height, width) < spec.final:
        raise ZooError(
            f"pictures of {height}x{width} are smaller than the final size: set final to {min(height, width)} or less"
        )
    rows, columns = (progression(side, spec.final, spec.blocks) for side in (height, width))
    return [Window(*sizes) for sizes in pairwise(zip(rows, columns, strict=True))]


def head(spec: CNNSpec, features: int, classes: int) -> nn.Sequential:
    """Linear layers with the activation between them: (N, C, H, W) to (N, classes)."""
    layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(spec.dropout)]
    for inputs, outputs in pairwise(progression(features, classes, spec.head + 1)):
        layers += [nn.Linear(inputs, outputs), Activation(spec.activation)]
    return nn.Sequential(*layers[:-1])


class CNN(Classifier):
    """A classifier of pictures like those that `info` describes."""

    def __init__(self, spec: CNNSpec, info: DataInfo) -> None:
        super().__init__(info, spec.label_smoothing)
        self.spec = spec
        self.dispatch_ways: list[str] = []
        self.chain: dispatch.Chain = dispatch.chain
        self.autocast: torch.dtype | None = None
        depth, height, width = info.shape
        self.pools = Pools(windows(spec, height, width))
        channels = [depth, *widths(spec.first, spec.last, spec.blocks)]
        parts = zip(pairwise(channels), self.pools.windows, strict=True)
        self.blocks = nn.ModuleList(Block(spec, inputs, outputs, window) for (inputs, outputs), window in parts)
        self.head = head(spec, spec.last * spec.final**2, len(info.classes))

    @property
    def averaging(self) -> str:
        return f"{self.spec.draws} region draws" if self.spec.draws > 1 else ""

    def samples(self) -> list[Tensor]:
        """Samples (blocks, 2) for each forward pass: random in training, always the same in evaluation."""
        size = (self.spec.blocks, 2)
        if self.spec.pooling == "max":
            return [torch.full(size, EVEN)]
        if self.training:
            return [torch.rand(size)]
        if self.spec.draws == 1:
            return [torch.full(size, FIXED)]
        return list(torch.rand(self.spec.draws, *size, generator=torch.Generator().manual_seed(0)))

    def logits(self, x: Tensor) -> Tensor:
        """Pictures (N, C, H, W), standardised, to log-probabilities (N, K), unnormalised where nothing is averaged."""
        self.refuse_one(len(x))
        once = dispatch.dispatch_pass if self.dispatch_ways else CNN.once
        passes = [once(self, x, self.pools.regions(samples, x.device)) for samples in self.samples()]
        if len(passes) == 1:
            return passes[0]
        return torch.stack(passes).float().log_softmax(-1).logsumexp(0) - math.log(len(passes))

    def refuse_one(self, count: int) -> None:
        """ZooError where batch normalisation would have to learn from one value."""
        least = min(height * width for (height, width), _ in self.pools.windows)
        if self.training and self.spec.norm != "none" and count * least == 1:
            raise ZooError(
                "batch normalisation cannot learn from a batch of one picture whose map is down to one pixel",
                "raise train.batch or set model.norm=none",
            )

    def once(self, x: Tensor, regions: list[Regions]) -> Tensor:
        """One pass with the given regions."""
        for block, region in zip(self.blocks, regions, strict=True):
            x = block(x, region)
        return cast(Tensor, self.head(x))

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """On CPU the native kernel with bfloat16, else compiled functions; on CUDA the whole compiled; else nothing."""
        self.dispatch_ways, note = dispatch.choose_dispatches(
            self.blocks, next(self.parameters()).device.type, autocast
        )
        self.autocast, self.chain = autocast, dispatch.compile_chain(self.dispatch_ways)
        return note

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what is unpickled, is plain again: what was compiled can be neither copied nor sent."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        return state | {"dispatch_ways": [], "chain": dispatch.chain}
