"""Length of a stage: a number of epochs, or a time limit that its schedule follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.core.errors import ZooError
from zoo.core.sections import TrainSpec

CHECK = 50
"""Steps between two looks at whether the losses are finite: a look waits for the device."""
LAG = 0.5
"""Seconds of steps that a device may have in store where the clock counts, about."""
SHARE = 0.1
"""Share of a stage's time that validations may take, about."""
LEAST = 1e-3
"""Seconds of a stage whose time others have used up; it takes one step."""
FIRST = 2
"""Validations that are made in any case: the first may wait for a compiler, so the second tells what they take."""


class EpochBudget:
    """A stage with a fixed number of epochs."""

    length, untold = 0.0, 0
    """Seconds that the stage is to take (0: as long as it needs), and steps of epochs that were left out of the log."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    @property
    def elapsed(self) -> float:
        """Seconds of `length` that are gone."""
        return 0.0

    def share(self) -> float | None:
        """Share of the learning that is over, 0 to 1, where a clock tells it."""
        return None

    def due(self, step: int) -> bool:
        """Whether to look at the losses after this step of an epoch, and so to wait for the device."""
        return step % CHECK == 0

    def looked(self) -> None:
        """Called after waiting for the device."""

    def late(self) -> bool:
        """Whether to end the epoch after this step."""
        return False

    def over(self, epoch: int) -> bool:
        """Whether the stage ends before the epoch of this number, counted from 0."""
        return epoch >= self.epochs

    def validates(self) -> bool:
        """Whether the epoch that ends now is validated and logged."""
        return True

    def passed(self, steps: int) -> None:
        """Called after an epoch of `steps` steps that is not validated."""

    def validated(self, seconds: float) -> None:
        """Called after a validation that took `seconds`."""

    def state(self) -> dict[str, Any] | None:
        """State to store in a checkpoint."""
        return None


@dataclass
class Times:
    """The moments and measures of a timed stage, in seconds of the training."""

    begin: float
    end: float
    zero: float
    """When the first step was done: it may wait for a compiler, and a warm-up is to follow that."""
    validations: int = 0
    shortest: float = 0.0
    """What a validation takes; that is kept free at the end."""
    untold: int = 0


class TimeBudget(EpochBudget):
    """A stage with a time limit; `now` returns the seconds of training, without interruptions."""

    def __init__(self, times: Times, now: Callable[[], float]) -> None:
        super().__init__(0)
        self.times, self.now, self.length, self.untold = times, now, times.end - times.begin, times.untold
        self.at, self.steps, self.every = now(), 0, 1

    @property
    def elapsed(self) -> float:
        """Seconds of `length` that are gone."""
        return self.now() - self.times.begin

    def share(self) -> float:
        """Share of the time for learning that is over; 1 when the last validation is to begin."""
        times = self.times
        whole = times.end - times.shortest - times.zero
        return min(1.0, (self.now() - times.zero) / whole) if whole > 0 else 1.0

    def due(self, step: int) -> bool:
        """Whether to wait for the device.

        A host that only queues steps would read the clock long before they are done. 50 steps are too many where one
        takes 0.1 s: the stage would end 5 s late. As many as take half a second cost a device hardly any time.
        """
        self.steps += 1
        return self.steps >= self.every

    def looked(self) -> None:
        """Learn how long steps take. The first of a stage is not like the others, so the second is looked at again."""
        now = self.now()
        first = self.times.zero == self.times.begin
        self.times.zero = now if first else self.times.zero
        pace = max((now - self.at) / self.steps, 1e-9)
        self.every = 1 if first else max(1, min(CHECK, int(LAG / pace)))
        self.at, self.steps = now, 0

    def late(self) -> bool:
        """Whether there is just time left for a validation."""
        return self.now() + self.times.shortest >= self.times.end

    def over(self, epoch: int) -> bool:
        """Whether the time is over; not before there is something to keep."""
        return self.times.validations > 0 and self.late()

    def validates(self) -> bool:
        """Whether validations have not used up their share of the time; the last is made in any case."""
        times = self.times
        used = times.shortest * (times.validations + 1)
        return times.validations < FIRST or used <= SHARE * self.elapsed or self.late()

    def passed(self, steps: int) -> None:
        """The next row of the log tells of these steps too."""
        self.untold += steps

    def validated(self, seconds: float) -> None:
        """Keep what a validation takes at least: one that waited for a compiler or a disk tells little."""
        times = self.times
        times.shortest = min(times.shortest, seconds) if times.validations else seconds
        times.validations += 1
        self.untold, self.at, self.steps = 0, self.now(), 0

    def state(self) -> dict[str, Any]:
        """State to store in a checkpoint."""
        return vars(self.times) | {"untold": self.untold}


def make_budget(
    spec: TrainSpec, names: Sequence[str], now: Callable[[], float], saved: dict[str, Any] | None
) -> EpochBudget:
    """How long the first of the stages that are left goes on; `saved` is the state of one that was interrupted."""
    begin = now()
    seconds = stage_seconds(spec, names, begin)
    if seconds is None:
        return EpochBudget(spec.stage(names[0]).epochs)
    return TimeBudget(Times(**saved) if saved else Times(begin, begin + seconds, begin), now)


def stage_seconds(spec: TrainSpec, names: Sequence[str], begin: float) -> float | None:
    """Seconds for the first of the stages that are left, when the training has taken `begin`; None: it has epochs.

    What earlier stages, or the preparations, took too much or too little is shared like all the rest.
    """
    own = {name: minutes * 60 for name in names if (minutes := spec.own_minutes(name))}
    if spec.minutes is None:
        return own.get(names[0])
    rest = max(LEAST, spec.minutes * 60 - begin - sum(own[name] for name in names[1:] if name in own))
    if names[0] in own:
        return min(own[names[0]], rest)
    epochs = {name: spec.stage(name).epochs for name in names if name not in own}
    return rest * epochs[names[0]] / sum(epochs.values())


def total_seconds(spec: TrainSpec, names: Sequence[str]) -> float:
    """Seconds that are set for the stages of these names; 0: all of them have epochs."""
    return 60 * (spec.minutes or sum(spec.own_minutes(name) or 0.0 for name in names))


def check_minutes(spec: TrainSpec, names: Sequence[str]) -> None:
    """Raise ZooError where the stages' own minutes do not fit into those of the whole training."""
    own = [minutes for name in names if (minutes := spec.own_minutes(name))]
    if spec.minutes is None or not own:
        return
    others = [name for name in names if not spec.own_minutes(name)]
    if others and sum(own) >= spec.minutes:
        text = f"train.minutes={spec.minutes:g} leaves no time for the stage {others[0]!r}"
        raise ZooError(text, f"the other stages' own minutes add up to {sum(own):g}")
    if not others and abs(sum(own) - spec.minutes) > 1e-6 * spec.minutes:
        text = f"train.minutes={spec.minutes:g}, but the stages' own minutes add up to {sum(own):g}"
        raise ZooError(text, "remove train.minutes, or the minutes of one stage")
