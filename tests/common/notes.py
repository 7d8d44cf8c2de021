"""A callback that keeps what a training says, and can kill it."""

from __future__ import annotations

from zoo.training.callbacks import Callback


class Notes(Callback):
    """Keeps the notes; kills the training at a step if asked to."""

    def __init__(self, kill_at: int = -1) -> None:
        self.lines: list[str] = []
        self.steps, self.kill_at = 0, kill_at

    def note(self, text: str) -> None:
        self.lines.append(text)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at:
            raise SystemExit("killed")
