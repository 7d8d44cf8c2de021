"""The classifier: a sequence of blocks, then linear layers."""

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
from zoo_classifiers.blocks import Activation, Block, block_channels, progression
from zoo_classifiers.pooling import Pools, Regions, Window
from zoo_classifiers.spec import CNNSpec

EVEN_SAMPLE, FIXED_SAMPLE = 0.5, 0.999
"""Region samples of max pooling, and of fractional pooling evaluated with one draw."""


def block_windows(spec: CNNSpec, height: int, width: int) -> list[Window]:
    """Compute the pooling window of each block; ZooError if the pictures are too small."""
    if min(height, width) < spec.final:
        least = min(height, width)
        raise ZooError(
            f"pictures of {height}x{width} are smaller than the final map: set model.final to {least} or less"
        )
    rows, columns = (progression(side, spec.final, spec.blocks) for side in (height, width))
    return [Window(*sizes) for sizes in pairwise(zip(rows, columns, strict=True))]


def make_head(spec: CNNSpec, features: int, classes: int) -> nn.Sequential:
    """Build linear layers with activations between them: (N, C, H, W) to (N, classes)."""
    layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(spec.dropout)]
    for inputs, outputs in pairwise(progression(features, classes, spec.head + 1)):
        layers += [nn.Linear(inputs, outputs), Activation(spec.activation)]
    return nn.Sequential(*layers[:-1])


class CNN(Classifier):
    """A convolutional classifier for the pictures that `info` describes."""

    def __init__(self, spec: CNNSpec, info: DataInfo) -> None:
        super().__init__(info, spec.label_smoothing)
        self.spec = spec
        self.backends: list[str] = []
        self.chain: dispatch.BlockChain = dispatch.run_blocks
        self.autocast: torch.dtype | None = None
        self.regions: list[list[Regions]] = []
        depth, height, width = info.shape
        self.pools = Pools(block_windows(spec, height, width))
        channels = [depth, *block_channels(spec.first, spec.last, spec.blocks)]
        parts = zip(pairwise(channels), self.pools.windows, strict=True)
        self.blocks = nn.ModuleList(Block(spec, inputs, outputs, window) for (inputs, outputs), window in parts)
        self.head = make_head(spec, spec.last * spec.final**2, len(info.classes))

    @property
    def averaging(self) -> str:
        return f"{self.spec.draws} region draws" if self.spec.draws > 1 else ""

    def pooling_samples(self) -> list[Tensor]:
        """Return region samples (blocks, 2) for each forward pass: random in training, fixed in evaluation."""
        size = (self.spec.blocks, 2)
        if self.spec.pooling == "max":
            return [torch.full(size, EVEN_SAMPLE)]
        if self.training:
            return [torch.rand(size)]
        if self.spec.draws == 1:
            return [torch.full(size, FIXED_SAMPLE)]
        return list(torch.rand(self.spec.draws, *size, generator=torch.Generator().manual_seed(0)))

    def logits(self, x: Tensor) -> Tensor:
        """Map standardised pictures (N, C, H, W) to logits (N, K); averages of several draws are log-probabilities."""
        self.check_size(x)
        self.check_batch_norm(x.shape[0])
        once = dispatch.run_dispatched if self.backends else CNN.forward_once
        passes = [once(self, x, regions) for regions in self.regions or self.sample_regions(x.device)]
        if len(passes) == 1:
            return passes[0]
        return torch.stack(passes).float().log_softmax(-1).logsumexp(0) - math.log(len(passes))

    def sample_regions(self, device: torch.device) -> list[list[Regions]]:
        """Compute the regions of each block for each forward pass."""
        return [self.pools.regions(samples, device) for samples in self.pooling_samples()]

    def prepare_export(self) -> None:
        """Keep the regions of evaluation as constants, since a seeded random generator cannot be exported."""
        self.regions = self.sample_regions(torch.device("cpu"))

    def check_size(self, x: Tensor) -> None:
        """Raise ZooError if pictures (N, C, H, W) are of another size, for which the regions would be wrong."""
        (height, width), _ = self.pools.windows[0]
        if x.shape[2] != height or x.shape[3] != width:
            text = f"this cnn takes pictures of {height}x{width}, not of {x.shape[2]}x{x.shape[3]}"
            raise ZooError(text, "resize them first")

    def check_batch_norm(self, count: int) -> None:
        """Raise ZooError if batch normalisation would train on a single value per channel."""
        least = min(height * width for (height, width), _ in self.pools.windows)
        if self.training and self.spec.norm != "none" and count * least == 1:
            raise ZooError(
                "batch normalisation cannot train on a single picture whose map is one pixel",
                "increase train.batch or set model.norm=none",
            )

    def forward_once(self, x: Tensor, regions: list[Regions]) -> Tensor:
        """Run one forward pass with the given regions."""
        for block, region in zip(self.blocks, regions, strict=True):
            x = block(x, region)
        return cast(Tensor, self.head(x))

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """Choose backends: native kernel (bfloat16) or compiled functions on the CPU, one compiled whole on CUDA."""
        self.backends, note = dispatch.choose_backends(self.blocks, next(self.parameters()).device.type, autocast)
        self.autocast, self.chain = autocast, dispatch.compile_blocks(self.backends)
        return note

    def __getstate__(self) -> dict[str, Any]:
        """Leave out compiled functions, which cannot be copied or pickled."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        return state | {"backends": [], "chain": dispatch.run_blocks}
