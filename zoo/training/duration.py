"""Length of a stage: a number of epochs, or a time limit that its schedule follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.core.sections import TrainSpec

MAX_STEPS_BETWEEN_CHECKS = 50
"""Largest number of steps between two checks that the losses are finite; each check waits for the device."""
MAX_QUEUED_SECONDS = 0.5
"""Approximate number of seconds of steps that may be queued on the device of a stage with a time limit."""
VALIDATION_SHARE = 0.1
"""Approximate share of a stage's time that validations may take."""
MIN_SECONDS = 1e-3
"""Time limit in seconds of a stage whose time earlier stages have used up; it takes one step."""
MIN_VALIDATIONS = 2
"""Smallest number of validations: the first may wait for a compiler, so the second shows how long they take."""


class EpochBudget:
    """A stage with a fixed number of epochs."""

    length, unlogged = 0.0, 0
    """Time limit in seconds (0: none), and number of steps in earlier epochs that were not logged."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    @property
    def elapsed(self) -> float:
        """Seconds of the time limit that are used."""
        return 0.0

    def share(self) -> float | None:
        """Share of the training time that is over, 0 to 1; None without a time limit."""
        return None

    def check_is_due(self, step: int) -> bool:
        """Whether to check the losses after this step of an epoch, which waits for the device."""
        return step % MAX_STEPS_BETWEEN_CHECKS == 0

    def checked(self) -> None:
        """Called after a check of the losses."""

    def epoch_must_end(self) -> bool:
        """Whether to end the epoch after this step."""
        return False

    def is_over(self, epoch: int) -> bool:
        """Whether the stage ends before the epoch of this number, counted from 0."""
        return epoch >= self.epochs

    def shorten(self, epoch: int, share: float) -> bool:
        """End the stage once a further share of the training up to this epoch is over; False if it ends before."""
        end = epoch + math.ceil(share * epoch)
        if end >= self.epochs:
            return False
        self.epochs = end
        return True

    def validation_is_due(self) -> bool:
        """Whether to validate and log the epoch that ends now."""
        return True

    def validation_skipped(self, steps: int) -> None:
        """Called after an epoch of `steps` steps that is not validated."""

    def validated(self, seconds: float) -> None:
        """Called after a validation that took `seconds`."""

    def state(self) -> dict[str, Any] | None:
        """State to store in a checkpoint."""
        return None


@dataclass
class StageTimes:
    """Times and measurements of a stage with a time limit, in seconds of training; saved in checkpoints."""

    begin: float
    end: float
    zero: float
    """End of the first step, which may wait for a compiler; the schedule starts here."""
    validations: int = 0
    shortest: float = 0.0
    """Duration of the shortest validation, which is reserved at the end."""
    untold: int = 0
    """Number of steps in epochs that are not logged yet."""


class TimeBudget(EpochBudget):
    """A stage with a time limit; `now` returns the seconds of training, without interruptions."""

    def __init__(self, times: StageTimes, now: Callable[[], float]) -> None:
        super().__init__(0)
        self.times, self.now, self.length, self.unlogged = times, now, times.end - times.begin, times.untold
        self.last_check, self.steps, self.check_interval = now(), 0, 1

    @property
    def elapsed(self) -> float:
        """Seconds of the time limit that are used."""
        return self.now() - self.times.begin

    def share(self) -> float:
        """Share of the training time that is over; 1 when the last validation has to start."""
        times = self.times
        whole = times.end - times.shortest - times.zero
        return min(1.0, (self.now() - times.zero) / whole) if whole > 0 else 1.0

    def check_is_due(self, step: int) -> bool:
        """Whether to check the losses, which waits for the device.

        Without waiting, the host would queue steps and read the clock long before they are done. Waiting every 50 steps
        would be too rare for steps of 0.1 s, since the stage would end 5 s late. Waiting every half second costs hardly
        any time.
        """
        self.steps += 1
        return self.steps >= self.check_interval

    def checked(self) -> None:
        """Measure how long steps take, and set the check interval.

        The first step is not representative.
        """
        now = self.now()
        first = self.times.zero == self.times.begin
        self.times.zero = now if first else self.times.zero
        seconds = max((now - self.last_check) / self.steps, 1e-9)
        interval = max(1, min(MAX_STEPS_BETWEEN_CHECKS, int(MAX_QUEUED_SECONDS / seconds)))
        self.check_interval = 1 if first else interval
        self.last_check, self.steps = now, 0

    def epoch_must_end(self) -> bool:
        """Whether the time left is only enough for a validation."""
        return self.now() + self.times.shortest >= self.times.end

    def is_over(self, epoch: int) -> bool:
        """Whether the time is over; never before the first validation, which determines the weights to keep."""
        return self.times.validations > 0 and self.epoch_must_end()

    def shorten(self, epoch: int, share: float) -> bool:
        """End the stage once a further share of the time so far is over; False if it ends before."""
        now, times = self.now(), self.times
        end = now + share * (now - times.zero) + times.shortest * (share > 0)
        if end >= times.end:
            return False
        times.end = end
        return True

    def validation_is_due(self) -> bool:
        """Whether validations have time left in their share; the last one always takes place."""
        times = self.times
        used = times.shortest * (times.validations + 1)
        return times.validations < MIN_VALIDATIONS or used <= VALIDATION_SHARE * self.elapsed or self.epoch_must_end()

    def validation_skipped(self, steps: int) -> None:
        """Count these steps to the next row of the log."""
        self.unlogged += steps

    def validated(self, seconds: float) -> None:
        """Record the duration of the shortest validation, since others may have waited for a compiler or a disk."""
        times = self.times
        times.shortest = min(times.shortest, seconds) if times.validations else seconds
        times.validations += 1
        self.unlogged, self.last_check, self.steps = 0, self.now(), 0

    def state(self) -> dict[str, Any]:
        """State to store in a checkpoint."""
        return vars(self.times) | {"untold": self.unlogged}


def make_budget(
    spec: TrainSpec, names: Sequence[str], now: Callable[[], float], saved: dict[str, Any] | None
) -> EpochBudget:
    """Make the budget of the first of the remaining stages; `saved` is its state if it was interrupted."""
    begin = now()
    seconds = stage_seconds(spec, names, begin)
    if seconds is None:
        return EpochBudget(spec.stage(names[0]).epochs)
    return TimeBudget(StageTimes(**saved) if saved else StageTimes(begin, begin + seconds, begin), now)


def stage_seconds(spec: TrainSpec, names: Sequence[str], begin: float) -> float | None:
    """Compute the seconds for the first of the remaining stages; None if it has a number of epochs.

    `begin` is the time that the training has taken so far. If preparations or earlier stages took more or less time
    than planned, the remaining stages share the difference.
    """
    own = {name: minutes * 60 for name in names if (minutes := spec.own_minutes(name))}
    if spec.minutes is None:
        return own.get(names[0])
    rest = max(MIN_SECONDS, spec.minutes * 60 - begin - sum(own[name] for name in names[1:] if name in own))
    if names[0] in own:
        return min(own[names[0]], rest)
    epochs = {name: spec.stage(name).epochs for name in names if name not in own}
    return rest * epochs[names[0]] / sum(epochs.values())


def total_seconds(spec: TrainSpec, names: Sequence[str]) -> float:
    """Compute the total time limit of stages in seconds; 0 if all of them have a number of epochs."""
    return 60 * (spec.minutes or sum(spec.own_minutes(name) or 0.0 for name in names))
