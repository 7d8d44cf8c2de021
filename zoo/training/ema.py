"""Exponential moving average of weights and floating-point buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """A shadow of a module's tensors; `swapped` puts it in their place for an evaluation."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        state = module.state_dict(keep_vars=True)
        self.names = [name for name, value in state.items() if value.is_floating_point()]
        self.live = [state[name].data for name in self.names]
        self.shadow = [value.clone() for value in self.live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the live weights; the first steps count more, so that the start is soon forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.shadow, self.live, 1 - decay)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Within the block the module holds the average."""
        kept = [value.clone() for value in self.live]
        torch._foreach_copy_(self.live, self.shadow)
        try:
            yield
        finally:
            torch._foreach_copy_(self.live, kept)

    def state(self) -> dict[str, Tensor]:
        """The shadow by name."""
        return dict(zip(self.names, self.shadow, strict=True))

    def load(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for name, value in zip(self.names, self.shadow, strict=True):
            value.copy_(state[name])
