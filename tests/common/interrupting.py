"""A callback that interrupts a training, to resume it."""

from __future__ import annotations

import signal

from zoo.training.callbacks import Callback


class Interrupt(Callback):
    """Counts steps, and sends Ctrl-C after one of them."""

    def __init__(self, at: int = -1) -> None:
        self.at, self.steps = at, 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            signal.raise_signal(signal.SIGINT)
