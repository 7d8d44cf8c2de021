"""Regions of fractional max pooling (arXiv 1412.6071), drawn once for a whole batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Size = tuple[int, int]


class Window(NamedTuple):
    """Pooling from one (height, width) to another."""

    inputs: Size
    outputs: Size

    @property
    def kernel(self) -> Size:
        """Height and width of a region: mostly 2, more where regions would leave gaps, 1 where nothing shrinks."""
        height, width = (1 if i == o else max(2, -(-i // o)) for i, o in zip(self.inputs, self.outputs, strict=True))
        return height, width


class Regions(NamedTuple):
    """Where a window's regions start: `rows` (H',) and `columns` (W',), from `samples` (width's, height's)."""

    samples: Tensor
    rows: Tensor
    columns: Tensor


class Pools:
    """The windows of a network's blocks, for all of which regions are computed at once."""

    def __init__(self, windows: list[Window]) -> None:
        self.windows = windows
        axes = [axis for w in windows for axis in zip(w.inputs, w.outputs, w.kernel, strict=True)]
        with torch.device("cpu"):  # also where the model is built on the meta device to be counted
            self.last = torch.tensor([i - k for i, _, k in axes])
            self.outputs = torch.tensor([o for _, o, _ in axes])
            self.pooled = torch.tensor([i != o for i, o, _ in axes])
            self.step = self.last.float() / (self.outputs - 1).clamp(min=1).float()
            self.index = torch.arange(int(self.outputs.max()))

    def regions(self, samples: Tensor, device: torch.device) -> list[Regions]:
        """Regions of each window for `samples` in [0, 1), (windows, 2): height's and width's, float32 on the CPU."""
        u = torch.where(self.pooled, samples.flatten(), 0.0)
        starts = ((self.index + u[:, None]) * self.step[:, None]).long() - (u * self.step).long()[:, None]
        starts = torch.where(self.index < self.outputs[:, None] - 1, starts, self.last[:, None])
        # CUDA takes a copy of memory that is not pinned before it returns; MPS may read it when it is freed already.
        starts, flipped = (t.to(device, non_blocking=device.type == "cuda") for t in (starts, u.view(-1, 2).flip(1)))
        return [
            Regions(flipped[n], starts[2 * n, : w.outputs[0]], starts[2 * n + 1, : w.outputs[1]])
            for n, w in enumerate(self.windows)
        ]
