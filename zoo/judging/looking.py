"""A judge at work: pictures are shown to it a batch at a time, and what it sees in them is kept."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data import Pictures
from zoo.drawing import AT_ONCE
from zoo.gallery import Seen
from zoo.judge import Judge


class Looking(NamedTuple):
    """A judge at work."""

    judge: Judge
    place: torch.device

    def at(self, x: Tensor, y: Tensor | None) -> Seen:
        """Pictures float32 (N, C, H, W), and what the judge sees in them."""
        looks = [self.judge(part.to(self.place)) for part in torch.split(x, AT_ONCE)]
        scores = [look.scores for look in looks if look.scores is not None]
        features = torch.cat([look.features.float().cpu() for look in looks])
        return Seen(x, None if y is None else y.cpu(), features, torch.cat(scores).float().cpu() if scores else None)


def some(pictures: Pictures, count: int) -> Pictures:
    """So many of the pictures, the same ones each time."""
    return pictures if count == len(pictures) else pictures.subset(rows(len(pictures), count))


def rows(total: int, count: int) -> Tensor:
    """So many of all rows, int64 (count,), in their order and the same ones each time; all where there are fewer."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count].sort().values
