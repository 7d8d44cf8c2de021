"""A dimension of a search space: an option, where it is searched, and how Optuna draws it exactly on its grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zoo.spec import Choice, Mark, Range, word
from zoo.tuning.marks import text

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Dimension:
    """One option that is searched; Optuna's own grids are used where it has them, an index where it has none."""

    path: str
    """The option, as `model.first`."""
    mark: Mark
    name: str
    """What Optuna's study calls it: the path, with the kind where a section's kind is searched: `model[cnn].first`."""
    integer: bool = False
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """It is drawn where each of these options has one of these values."""

    def suggest(self, trial: BaseTrial) -> Value:
        """The value that a trial is to have."""
        mark = self.mark
        if isinstance(mark, Choice):
            chosen: Value = trial.suggest_categorical(self.name, mark.values)
            return chosen
        if (step := self.step) is None:
            return float(trial.suggest_float(self.name, mark.low, mark.high, log=mark.log))
        if mark.log and not (self.integer and step == 1):  # Optuna has no grid that is logarithmic
            first = max(1, round(mark.low / step))
            drawn = trial.suggest_int(f"{self.name}/{word(step)}", first, first + self.steps, log=True)
            return self.at(drawn - first)
        if self.integer:
            return int(trial.suggest_int(self.name, int(mark.low), int(self.ends()[1]), step=int(step), log=mark.log))
        value = trial.suggest_float(self.name, mark.low, self.ends()[1], step=step)
        return self.at(round((value - mark.low) / step))

    def ends(self) -> tuple[Any, ...]:
        """The lowest and the highest value, or all values of a choice."""
        if isinstance(self.mark, Choice):
            return self.mark.values
        return (float(self.mark.low), float(self.mark.high)) if self.step is None else (self.at(0), self.at(self.steps))

    def words(self) -> str:
        """Where it is searched, for people: `16..96 log`, `before | after when train.optimizer = sgd`."""
        own = self.name.partition("[")[0] + ".kind" if self.name != self.path else ""
        parts = [f"{path} = {' | '.join(map(word, values))}" for path, values in self.when.items() if path != own]
        return text(self.mark) + (f" when {', '.join(parts)}" if parts else "")

    @property
    def step(self) -> float | None:
        """Between two values of the grid; None of numbers without a grid."""
        assert isinstance(self.mark, Range)
        return self.mark.step or (1 if self.integer else None)

    @property
    def steps(self) -> int:
        """How many steps of the grid fit between the two ends."""
        return grid(self.mark, self.step) if isinstance(self.mark, Range) and self.step else 0

    def at(self, place: int) -> int | float:
        """A value of the grid, from 0: low + place x step without the noise of floats."""
        assert isinstance(self.mark, Range) and self.step is not None
        exact = decimal(self.mark.low) + place * decimal(self.step)
        return int(exact) if self.integer else float(exact)


def grid(mark: Range, step: float) -> int:
    """How many steps fit into a range."""
    return int((decimal(mark.high) - decimal(mark.low)) // decimal(step))


def decimal(value: float) -> Decimal:
    """The number as it is written."""
    return Decimal(str(value))
