"""Specs: what a person reads of an option, the search space, and that every shipped kind keeps the rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from zoo.core.sections import DataSpec, StageSpec, TrainSpec
from zoo.core.spec import Choice, Option, Range, Spec, options, search_space
from zoo.registry.catalog import catalog


class Inner(Spec):
    """Nested options."""

    rate: Annotated[float, Field(gt=0, lt=1), Range(1e-4, 0.5, log=True)] = 0.1
    """A rate,
    over two lines."""


class Outer(Spec):
    """One option of each sort."""

    size: Annotated[int, Field(ge=1, le=100_000), Range(8, 64, step=8)]
    norm: Annotated[Literal["none", "before"], Choice("none", "before")] = "before"
    some: Annotated[int, Field(ge=2)] | Literal["auto"] | None = None
    many: tuple[int, ...] = (1, 2)
    flag: bool = True
    text: str = "x"
    free: dict[str, Any] = Field(default_factory=dict)
    inner: Inner = Inner()


class Numbers(Spec):
    """Options that take numbers, some of them beside true and false."""

    count: int = 1
    share: float | None = None
    many: tuple[int, ...] = ()
    level: Literal[1, 2] = 1
    either: bool | Literal[3] = 3
    scalar: bool | int | float | str | None = None
    free: Any = None


@pytest.mark.parametrize("name", ["count", "share", "many", "level"])
def test_true_and_false_are_no_numbers(name: str) -> None:
    value = [2, True] if name == "many" else True
    with pytest.raises(ValidationError, match=r"should be .*, got .*true"):
        Numbers.model_validate({name: value})


@pytest.mark.parametrize("name", ["either", "scalar", "free"])
def test_true_and_false_stay_where_an_option_takes_them(name: str) -> None:
    assert getattr(Numbers.model_validate({name: True}), name) is True
    assert getattr(Numbers.model_validate({name: 3}), name) == 3


def test_options_in_words() -> None:
    found = {option.name: option for option in options(Outer)}
    assert {name: (option.type, option.default) for name, option in found.items()} == {
        "size": ("int 1..100000", None),
        "norm": ("none | before", "before"),
        "some": ("int 2.. | auto | null", None),
        "many": ("list of int", [1, 2]),
        "flag": ("true | false", True),
        "text": ("text", "x"),
        "free": ("mapping", {}),
        "inner.rate": ("number >0..<1", 0.1),
    }
    assert found["inner.rate"].help == "A rate, over two lines."
    assert [name for name, option in found.items() if option.required] == ["size"]


def test_the_search_space() -> None:
    found = search_space(Outer)
    assert found == {
        "size": Range(8, 64, step=8),
        "norm": Choice("none", "before"),
        "inner.rate": Range(1e-4, 0.5, log=True),
    }
    assert [str(mark) for mark in found.values()] == ["8..64 step 8", "none | before", "0.0001..0.5 log"]
    assert str(Choice(True, None, 3)) == "true | null | 3"


@pytest.mark.parametrize(
    "make", [lambda: Range(3, 3), lambda: Range(0, 3, log=True), lambda: Range(1, 3, step=0), Choice, lambda: Choice(1)]
)
def test_marks_that_make_no_sense(make: Any) -> None:
    with pytest.raises(ValueError, match=r"valid search range|at least two values"):
        make()


def test_specs_are_closed_frozen_and_finite() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Inner.model_validate({"rat": 0.1})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Inner(), "rate", 0.2)  # noqa: B010 - mypy knows that it is frozen
    with pytest.raises(ValidationError, match="finite"):
        Inner.model_validate({"rate": float("nan")})


def shipped() -> dict[str, type[BaseModel]]:
    """Every spec that ships, by a name for the test."""
    own = (kind for plugin in catalog().plugins if plugin.distribution == "pixel-zoo" for kind in plugin.kinds)
    kinds: dict[str, type[BaseModel]] = {f"{kind.family}-{kind.name}": kind.spec for kind in own}
    return kinds | {"train": TrainSpec, "stage": StageSpec, "data": DataSpec}


def example(spec: type[BaseModel]) -> BaseModel:
    """A spec with its defaults, and with some text where one must be given."""
    required = [name for name, field in spec.model_fields.items() if field.is_required()]
    return spec.model_validate({name: "0" * 64 if name == "fingerprint" else "x" for name in required})


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_spec_is_documented_and_survives_json(name: str) -> None:
    spec = shipped()[name]
    assert [option.name for option in options(spec) if not option.help or len(option.help) > 500] == []
    made = example(spec)
    assert spec.model_validate(made.model_dump(mode="json")) == made
    assert spec.model_validate_json(made.model_dump_json()) == made
    for option in options(spec):
        check_default(option)


def check_default(option: Option) -> None:
    """A default lies where the tuner may look."""
    if isinstance(option.search, Range) and option.default is not None:
        assert option.search.low <= option.default <= option.search.high, option
    if isinstance(option.search, Choice):
        assert option.default in option.search.values, option


@pytest.mark.parametrize("name", shipped())
def test_both_ends_of_a_search_space_are_valid(name: str) -> None:
    spec = shipped()[name]
    for option, mark in search_space(spec).items():
        values = (mark.low, mark.high) if isinstance(mark, Range) else mark.values
        for value in values:
            path, body = option.split("."), {**example(spec).model_dump()}
            section = body
            for part in path[:-1]:
                section = section[part]
            section[path[-1]] = value
            assert spec.model_validate(body), (option, value)
