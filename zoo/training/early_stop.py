"""Early stopping (`train.patience`): when a stage ends before its epochs or its time are over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from zoo.core.sections import StageSpec
from zoo.training.duration import EpochBudget
from zoo.training.progressive import is_growing
from zoo.training.schedule import Schedule

COME_DOWN = 0.1
"""Factor of the peak learning rate up to which a schedule has come down, so that the stage can stop at once."""
TAIL = 0.1
"""Length of the last part in which the learning rate falls to 0, as a share of the training so far."""
WORST = 1e300


@dataclass
class EarlyStop:
    """Counts the epochs without an improvement, and shortens the stage; its fields are saved in checkpoints.

    A stage whose learning rate has not come down yet gains most when it does. So it does not stop at once: the rate
    first falls to 0 within a tenth of the training so far. The schedule `constant` is taken at its word and stops at
    once.
    """

    best: float = WORST
    """Lowest score that counted as an improvement."""
    since: int = 0
    """Number of the last epoch that improved, or in which the rate rose or pictures grew; counted from 1."""
    waited: int = 0
    """Validations since then without an improvement; with a time limit not each epoch is validated."""
    epoch: int = 0
    """Number of the epoch after which the stage was shortened; 0: it was not."""
    end: int = 0
    """Number of epochs of the shortened stage; 0 for a stage with a time limit."""
    factor: float = 0.0
    """Factor of the peak learning rate from which it falls to 0."""
    begin: float = 0.0
    """Share of the shortened stage that was over when the rate began to fall."""

    def count(self, spec: StageSpec, schedule: Schedule, epoch: int, step: int, score: float) -> bool:
        """Count an epoch, numbered from 1, that ended with a step; return whether the patience is over."""
        better = score < self.best - (spec.min_delta or 0.0)
        self.best = score if better else self.best
        if better or schedule.is_rising(step) or is_growing(spec, schedule.done(step)):
            self.since, self.waited = epoch, 0
        else:
            self.waited += 1
        return not self.epoch and spec.patience is not None and self.waited >= spec.patience

    def shorten(self, schedule: Schedule, budget: EpochBudget, epoch: int, step: int, steps: int) -> bool:
        """Shorten the stage after an epoch of `steps` steps; return whether it stops earlier than it would have."""
        factor = schedule.factor(step)
        at_once = schedule.spec.schedule == "constant" or factor <= COME_DOWN
        if not budget.shorten(epoch, 0.0 if at_once else TAIL):
            return False
        self.epoch, self.end, self.factor = epoch, budget.epochs, factor
        schedule.share = budget.share()
        self.begin = epoch / budget.epochs if schedule.share is None else schedule.share
        self.apply(schedule, budget, steps)
        return True

    def apply(self, schedule: Schedule, budget: EpochBudget, steps: int) -> None:
        """Let schedule and budget follow the shortened stage, if it is."""
        if self.epoch:
            budget.epochs = self.end
            schedule.steps = self.end * steps
            schedule.tail = (self.factor, self.begin) if self.begin < 1 else None

    def record(self, spec: StageSpec) -> dict[str, Any]:
        """Return what the run's record says about it."""
        figure = spec.monitor or "loss"
        worth = f" by {spec.min_delta:g}" if spec.min_delta else ""
        epochs = self.epoch - self.since
        reason = f"the validation {figure} had not improved{worth} for {epochs} epoch{'s' * (epochs != 1)}"
        return {"epoch": self.epoch, "last_better_epoch": self.since, "figure": figure, "reason": reason}

    def note(self, spec: StageSpec) -> str:
        """Say in one line what happens."""
        how = "so the stage ends" if self.begin >= 1 else "so the learning rate falls to 0 now, and the stage ends then"
        return f"epoch {self.epoch}: {self.record(spec)['reason']}, {how}"

    def state(self) -> dict[str, float]:
        """Return the values to save."""
        return asdict(self)

    @classmethod
    def restore(cls, saved: dict[str, Any] | None) -> EarlyStop:
        """Return the saved state, or a new one."""
        return cls(**{name: value for name, value in (saved or {}).items() if name in cls.__dataclass_fields__})
