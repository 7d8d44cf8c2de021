"""Batches of what a model's frozen parts make of the pictures, computed once for each picture and its mirror image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from zoo.data.loader import Draws, Loader
from zoo.models.metrics import EVAL_BATCH, autocast_context

Encode = Callable[[Tensor], Tensor]


class EncodedLoader(Loader):
    """Deterministic training batches as those of Loader, with encoded pictures in place of the pictures.

    Args:
        encode: Maps pictures (N, C, H, W) with values 0..1 to a tensor (N, ...).
        autocast: The type to which operations of `encode` are autocast; None for float32.
        *arguments: The arguments of Loader.
    """

    def __init__(self, encode: Encode, autocast: torch.dtype | None, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.encode, self.autocast = encode, autocast

    @cached_property
    def encoded(self) -> Tensor:
        """All encoded pictures, then those of their mirror images.

        They are computed for the first batch, since a resumed training loads its weights after it makes the loader.
        """
        with torch.no_grad(), autocast_context(self.device, self.autocast):
            return torch.cat([self.encode(self.view(*part)) for part in self.parts()])

    def parts(self) -> Iterator[tuple[Tensor, int]]:
        """Yield the rows of all pictures in batches, first as they are (0) and then mirrored (1) if some are."""
        for flipped in range(1 + bool(self.flip)):
            for start in range(0, len(self.y), EVAL_BATCH):
                yield torch.arange(start, min(start + EVAL_BATCH, len(self.y)), device=self.device), flipped

    def view(self, rows: Tensor, flipped: int) -> Tensor:
        """Read pictures (N, C, H, W), mirrored if `flipped` is 1."""
        nothing = torch.zeros(len(rows), 2, dtype=torch.int32, device=self.device)
        draws = Draws(rows, nothing, nothing[:, 0] < flipped, nothing, 1.0 + nothing)
        return super().pictures(draws)

    def pictures(self, draws: Draws) -> Tensor:
        """Select the encoded pictures (B, ...)."""
        return self.encoded.index_select(0, draws.order + draws.flip * len(self.y))
