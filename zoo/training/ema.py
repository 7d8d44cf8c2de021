"""Exponential moving average of weights and floating-point buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of a module's tensors, which `swapped_in` loads for an evaluation."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        state = module.state_dict(keep_vars=True)
        self.names = [name for name, value in state.items() if value.is_floating_point()]
        self.current = [state[name].data for name in self.names]
        self.average = [value.clone() for value in self.current]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the current weights; the decay is lower in the first steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, self.current, 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Load the average into the module within the block."""
        kept = [value.clone() for value in self.current]
        torch._foreach_copy_(self.current, self.average)
        try:
            yield
        finally:
            torch._foreach_copy_(self.current, kept)

    def state(self) -> dict[str, Tensor]:
        """Return the average by tensor name."""
        return dict(zip(self.names, self.average, strict=True))

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the average from `state`."""
        for name, value in zip(self.names, self.average, strict=True):
            value.copy_(state[name])
