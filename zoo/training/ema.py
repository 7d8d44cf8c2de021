"""Running averages of weights and floating-point buffers: an exponential moving average, and lookahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.core.sections import StageSpec

LOOKAHEAD_DECAY = 0.95
"""Decay per step of lookahead's average at the end of a training."""


class WeightAverage:
    """An exponential moving average of a module's tensors, which `swapped_in` loads for an evaluation."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        state = module.state_dict(keep_vars=True)
        self.names = [name for name, value in state.items() if value.is_floating_point()]
        self.current = [state[name].data for name in self.names]
        self.average = [value.clone() for value in self.current]

    @torch.no_grad()
    def update(self, step: int, done: float = 1.0) -> None:
        """Move the average towards the current weights; the decay is lower in the first steps.

        `done` is the share of the training that is over.
        """
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


class Lookahead(WeightAverage):
    """An average to which the weights return every `every` steps (Zhang et al. 2019, arXiv:1907.08610).

    Its decay grows with the cube of the share of the training that is over (Jordan 2024, arXiv:2404.00498).
    """

    def __init__(self, module: nn.Module, every: int) -> None:
        super().__init__(module, LOOKAHEAD_DECAY**every)
        self.every = every

    @torch.no_grad()
    def update(self, step: int, done: float = 1.0) -> None:
        if (step + 1) % self.every == 0:
            torch._foreach_lerp_(self.average, self.current, 1 - self.decay * done**3)
            torch._foreach_copy_(self.current, self.average)


def make_average(module: nn.Module, spec: StageSpec) -> WeightAverage | None:
    """Make the average that the options name; None without one."""
    if spec.lookahead is not None:
        return Lookahead(module, spec.lookahead)
    return WeightAverage(module, spec.ema) if spec.ema else None
