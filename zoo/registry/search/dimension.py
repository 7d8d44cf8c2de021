"""Whether a mark fits its option: each value must be one that the option takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from zoo.spec import Choice, Mark, Range, describe, word
from zoo.tuning.dimension import Dimension, grid
from zoo.tuning.marks import MarkError

FINEST = 1_000_000
"""Values of a grid; a Gaussian process looks at all of them at once."""
FEW = 64
"""Values of a grid that are all checked, not its ends alone."""


def fitted(field: FieldInfo, mark: Mark) -> tuple[Mark, bool]:
    """The mark with values of the option's own type, and whether they are whole numbers; MarkError otherwise."""
    if isinstance(mark, Choice):
        return Choice(*distinct(values_of(field, mark.values))), False
    if not all(map(isfinite, (mark.low, mark.high, mark.step or 1))):
        raise MarkError("the ends and the step should be finite")
    types = set(number_types(field.annotation))
    if not types:
        raise MarkError(f"a range needs an option that is a number, and this is {describe(field)}; give a choice")
    integer = float not in types and Any not in types
    if integer and not all(float(part).is_integer() for part in (mark.low, mark.high, mark.step or 1)):
        raise MarkError(f"the ends and the step should be whole numbers, got {mark}")
    mark = whole(mark) if integer else mark
    check_grid(mark, integer)
    list(values_of(field, points(mark, integer)))
    return mark, integer


def whole(mark: Range) -> Range:
    """A range of whole numbers that were written as 1e2 or 100.0."""
    return Range(int(mark.low), int(mark.high), int(mark.step) if mark.step else None, mark.log)


def check_grid(mark: Range, integer: bool) -> None:
    """Refuse a step that leaves one value, or more than a sampler can look at."""
    step = mark.step or (1 if integer else None)
    steps = grid(mark, step) if step else 1
    if steps < 1:
        raise MarkError(f"the step leaves one value of {mark}")
    if steps >= FINEST:
        raise MarkError(f"{mark} has {steps + 1:,} values, more than {FINEST:,}; give a larger step")


def points(mark: Range, integer: bool) -> list[Any]:
    """All values of a small grid, otherwise the two ends."""
    dimension = Dimension("", mark, "", integer)
    few = 0 < dimension.steps < FEW
    return [dimension.at(place) for place in range(dimension.steps + 1)] if few else list(dimension.ends())


def values_of(field: FieldInfo, values: Iterable[Any]) -> Iterator[Any]:
    """The values as the option holds them."""
    option: Any = Annotated[field.annotation, field]
    adapter: TypeAdapter[Any] = TypeAdapter(option)
    for value in values:
        try:
            found = to_jsonable_python(adapter.validate_python(value))
        except ValidationError as error:
            raise MarkError(f"{fault(error, field)}, got {value!r:.80}") from None
        except Exception as error:  # a plugin's own validator failed
            raise MarkError(f"{type(error).__name__}: {error}, got {value!r:.80}") from None
        if found is not None and not isinstance(found, str | int | float):
            raise MarkError(f"values to choose from are null, true, false, numbers and texts, got {value!r:.80}")
        yield found


def fault(error: ValidationError, field: FieldInfo) -> str:
    """What an option should be; of a union the whole of it."""
    first, *others = error.errors(include_url=False)
    text = first["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    return f"should be {describe(field)}" if others else f"{text[:1].lower()}{text[1:]}"


def distinct(values: Iterable[Any]) -> Iterator[Any]:
    """The values; MarkError where Optuna could not tell two of them apart (it takes true for 1)."""
    seen: list[Any] = []
    for value in values:
        if value in seen:
            raise MarkError(f"{word(value)} stands twice")
        seen.append(value)
        yield value


def number_types(annotation: Any) -> Iterator[Any]:
    """Which of int, float and Any an option may be."""
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
