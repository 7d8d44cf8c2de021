"""A dimension of a search space: an option with its range, sampled by Optuna."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import isfinite, sqrt
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from zoo.core.spec import Choice, Mark, Range, describe_type, yaml_scalar
from zoo.registry.search.syntax import RangeError, format_range

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


Value = str | int | float | bool | None
MAX_GRID_VALUES = 1_000_000
"""Largest number of values in a grid: a Gaussian process evaluates all of them at once."""
MAX_CHECKED_VALUES = 64
"""A grid with fewer values is checked value by value, a larger one only at its bounds."""


@dataclass(frozen=True)
class Dimension:
    """One option that is searched.

    Sampling uses Optuna's own grid where it has one, otherwise an index into the grid.
    """

    path: str
    """The option, e.g. `model.first`."""
    mark: Mark
    name: str
    """Name in Optuna's study: the path, with the kind if it is searched too, e.g. `model[cnn].first`."""
    integer: bool = False
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """Conditions: the dimension is active if each of these options has one of these values."""

    def suggest(self, trial: BaseTrial) -> Value:
        """Let a trial suggest a value."""
        mark = self.mark
        if isinstance(mark, Choice):
            choice: Value = trial.suggest_categorical(self.name, mark.values)
            return choice
        if (step := self.step) is None:
            return float(trial.suggest_float(self.name, mark.low, mark.high, log=mark.log))
        if mark.log and not (self.integer and step == 1):  # Optuna has no logarithmic grid
            first = max(1, round(mark.low / step))
            sampled = trial.suggest_int(f"{self.name}/{yaml_scalar(step)}", first, first + self.steps, log=True)
            return self.value_at(sampled - first)
        if self.integer:
            return int(trial.suggest_int(self.name, int(mark.low), int(self.bounds()[1]), step=int(step), log=mark.log))
        value = trial.suggest_float(self.name, mark.low, self.bounds()[1], step=step)
        return self.value_at(round((value - mark.low) / step))

    def fix(self, value: Value) -> tuple[str, Value]:
        """Return the name and the value under which Optuna keeps a value that `nearest` returned.

        Optuna then suggests it where it is among the fixed parameters of a trial.
        """
        mark, step = self.mark, None if isinstance(self.mark, Choice) else self.step
        if isinstance(mark, Choice) or step is None or not mark.log or (self.integer and step == 1):
            return self.name, value
        return f"{self.name}/{yaml_scalar(step)}", max(1, round(mark.low / step)) + self.index_of(value)

    def nearest(self, value: Any) -> Value:
        """Return the value of the range that is nearest to any value.

        What has no nearest value becomes the middle of the range, or the first choice.
        """
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(self.mark, Choice):
            same = [one for one in self.mark.values if type(one) is type(value) and one == value]
            numbers = [one for one in self.mark.values if isinstance(one, int | float) and not isinstance(one, bool)]
            by_distance = sorted(numbers, key=lambda one: abs(one - value)) if numeric else []
            return [*same, *by_distance, self.mark.values[0]][0]
        low, high = self.bounds()
        if not numeric:
            value = sqrt(low * high) if self.mark.log else (low + high) / 2
        if self.step is None:
            return float(min(max(value, low), high))
        return self.value_at(self.index_of(value))

    def index_of(self, value: Any) -> int:
        """Return the index of the nearest value of the grid."""
        assert isinstance(self.mark, Range) and self.step is not None
        exact = (to_decimal(value) - to_decimal(self.mark.low)) / to_decimal(self.step)
        return min(max(round(exact), 0), self.steps)

    def bounds(self) -> tuple[Any, ...]:
        """Return the lowest and the highest value, or all values of a choice."""
        if isinstance(self.mark, Choice):
            return self.mark.values
        return (
            (float(self.mark.low), float(self.mark.high))
            if self.step is None
            else (self.value_at(0), self.value_at(self.steps))
        )

    def describe(self) -> str:
        """Describe the range, e.g. `16..96 log` or `before | after when train.optimizer = sgd`."""
        own = self.name.partition("[")[0] + ".kind" if self.name != self.path else ""
        parts = [
            f"{path} = {' | '.join(map(yaml_scalar, values))}" for path, values in self.when.items() if path != own
        ]
        return format_range(self.mark) + (f" when {', '.join(parts)}" if parts else "")

    @property
    def step(self) -> float | None:
        """Distance between two values of the grid, or None if there is no grid."""
        assert isinstance(self.mark, Range)
        return self.mark.step or (1 if self.integer else None)

    @property
    def steps(self) -> int:
        """Number of grid steps between the two bounds."""
        return count_steps(self.mark, self.step) if isinstance(self.mark, Range) and self.step else 0

    def value_at(self, index: int) -> int | float:
        """Return a value of the grid: low + index x step, without floating-point error."""
        assert isinstance(self.mark, Range) and self.step is not None
        exact = to_decimal(self.mark.low) + index * to_decimal(self.step)
        return int(exact) if self.integer else float(exact)


def count_steps(mark: Range, step: float) -> int:
    """Return how many steps fit into a range."""
    # Decimal raises when the quotient has more than 28 digits
    low, high, exact_step = (Fraction(str(value)) for value in (mark.low, mark.high, step))
    return int((high - low) // exact_step)


def count_text(count: int) -> str:
    """Format a count; beyond ten digits only its size."""
    return f"{count:,}" if count < 10**10 else f"about 1e{len(str(count)) - 1}"


def to_decimal(value: float) -> Decimal:
    """Return the number as it is written in decimal."""
    return Decimal(str(value))


def fit_range(field: FieldInfo, mark: Mark) -> tuple[Mark, bool]:
    """Convert a range to the option's own type, and return whether its values are integers.

    Raises RangeError if the range does not fit the option.
    """
    if isinstance(mark, Choice):
        return Choice(*reject_duplicates(validate_values(field, mark.values))), False
    if not all(map(isfinite, (mark.low, mark.high, mark.step or 1))):
        raise RangeError("the bounds and the step must be finite")
    types = set(number_types(field.annotation))
    if not types:
        raise RangeError(f"a range needs a numeric option, but this is {describe_type(field)}; use a choice")
    integer = float not in types and Any not in types
    if integer and not all(float(part).is_integer() for part in (mark.low, mark.high, mark.step or 1)):
        raise RangeError(f"the bounds and the step must be whole numbers, got {mark}")
    mark = to_integer_range(mark) if integer else mark
    check_grid(mark, integer)
    list(validate_values(field, values_to_check(mark, integer)))
    return mark, integer


def to_integer_range(mark: Range) -> Range:
    """Convert the numbers of a range to int, also those written as 1e2 or 100.0."""
    return Range(int(mark.low), int(mark.high), int(mark.step) if mark.step else None, mark.log)


def check_grid(mark: Range, integer: bool) -> None:
    """Reject a range with only one value, or more than a sampler can handle."""
    step = mark.step or (1 if integer else None)
    steps = count_steps(mark, step) if step else 1
    if steps < 1:
        raise RangeError(f"with this step {mark} has only one value")
    if steps >= MAX_GRID_VALUES:
        raise RangeError(f"{mark} has {count_text(steps + 1)} values, more than {MAX_GRID_VALUES:,}; use a larger step")


def values_to_check(mark: Range, integer: bool) -> list[Any]:
    """Return all values of a small grid, otherwise the two bounds."""
    dimension = Dimension("", mark, "", integer)
    few = 0 < dimension.steps < MAX_CHECKED_VALUES
    return [dimension.value_at(index) for index in range(dimension.steps + 1)] if few else list(dimension.bounds())


def validate_values(field: FieldInfo, values: Iterable[Any]) -> Iterator[Any]:
    """Yield the values as the option's type stores them; RangeError for one that it rejects."""
    option: Any = Annotated[field.annotation, field]
    adapter: TypeAdapter[Any] = TypeAdapter(option)
    for value in values:
        try:
            found = to_jsonable_python(adapter.validate_python(value))
        except ValidationError as error:
            raise RangeError(f"{validation_message(error, field)}, got {value!r:.80}") from None
        except Exception as error:  # a plugin's own validator failed
            raise RangeError(f"{type(error).__name__}: {error}, got {value!r:.80}") from None
        if found is not None and not isinstance(found, str | int | float):
            raise RangeError(f"choices must be null, true, false, numbers or strings, got {value!r:.80}")
        yield found


def validation_message(error: ValidationError, field: FieldInfo) -> str:
    """Return what an option should be; for a union, describe the whole union."""
    first, *others = error.errors(include_url=False)
    text = first["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    return f"should be {describe_type(field)}" if others else f"{text[:1].lower()}{text[1:]}"


def reject_duplicates(values: Iterable[Any]) -> Iterator[Any]:
    """Yield values; RangeError for two that Optuna cannot tell apart, e.g. true and 1."""
    seen: list[Any] = []
    for value in values:
        if value in seen:
            raise RangeError(f"{yaml_scalar(value)} is listed twice")
        seen.append(value)
        yield value


def number_types(annotation: Any) -> Iterator[Any]:
    """Yield those of int, float and Any that an annotation allows."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from number_types(args[0])
    elif origin is Literal:
        yield from (type(arg) for arg in args if type(arg) in (int, float))
    elif origin in (Union, UnionType):
        for arg in args:
            yield from number_types(arg)
    elif annotation in (int, float, Any):
        yield annotation
