"""Specs: the options of a kind, with default, bounds, help and search space."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, to_jsonable_python

from zoo.core.deprecation import former_names, replace_former_names

UNUSED: tuple[Any, ...] = (None, (), [])
"""Values of a newer option that is not used."""


class Spec(BaseModel):
    """Base class of the options of a kind: immutable, and closed to unknown options.

    The string below an option is its help text; pydantic's `Field` sets bounds, Range and Choice the search space.

    Raises:
        pydantic.ValidationError: If an option is unknown, of the wrong type or out of bounds.

    Example:
        >>> from typing import Annotated
        >>> from zoo import Range, Spec
        >>> class Net(Spec):
        ...     width: Annotated[int, Range(16, 256, log=True)] = 64
        ...     "Channels of the first layer."
        >>> Net(width=32)
        Net(width=32)
        >>> Net(depth=2)
        Traceback (most recent call last):
            ...
        pydantic_core._pydantic_core.ValidationError: ...
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    newer_options: ClassVar[frozenset[str]] = frozenset()
    """Options that came after the first release, with the default None or (): where they are not used, they are left
    out of entries and cache keys, so that older hashes stay."""

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = dump(self)
        return {key: value for key, value in found.items() if key not in self.newer_options or value not in UNUSED}

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names(cls, options: Any) -> Any:
        return replace_former_names(cls, cls.model_fields, options)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if holds_truth(value) and takes_numbers_alone(field):
            about = {"type": describe_type(field), "value": json.dumps(value)}
            raise PydanticCustomError("truth_as_number", "should be {type}, got {value}", about)
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in attribute_docstrings(cls).items():
            if name in properties:
                properties[name].setdefault("description", text)
        for former, (name, _) in former_names(cls.model_fields).items():
            if name in properties:
                properties[former] = properties[name] | {"deprecated": True, "description": f"Now called {name}."}
        return schema


def holds_truth(value: Any) -> bool:
    """Whether a value is true or false, or a list with one of these."""
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(holds_truth, value)))


def takes_numbers_alone(field: FieldInfo) -> bool:
    """Whether an option takes numbers and neither true nor false, which pydantic would read as 1 and 0."""
    types_taken = set(leaf_types(field.annotation))
    return not types_taken.isdisjoint({int, float}) and types_taken.isdisjoint({bool, Any})


def leaf_types(annotation: Any) -> Iterator[Any]:
    """Yield the types that a union, a list or a tuple consists of, and those of the values of a `Literal`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from map(type, args)
    elif origin in (Union, types.UnionType, tuple, list):
        yield from (leaf for arg in args for leaf in leaf_types(arg))
    else:
        yield from leaf_types(args[0]) if origin is Annotated else (annotation,)


@cache
def attribute_docstrings(spec: type[BaseModel]) -> dict[str, str]:
    """Read the string below each option from the source, which pydantic would do at every import."""
    found: dict[str, str] = {}
    for base in reversed(spec.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            with suppress(OSError, TypeError, SyntaxError):
                body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
                assert isinstance(body, ast.ClassDef)
                for option, below in pairwise(body.body):
                    if isinstance(option, ast.AnnAssign) and isinstance(option.target, ast.Name):
                        text = below.value if isinstance(below, ast.Expr) else None
                        if isinstance(text, ast.Constant) and isinstance(text.value, str):
                            found[option.target.id] = inspect.cleandoc(text.value)
    return found


def option_help(spec: type[BaseModel], name: str) -> str:
    """Get the help text of an option on one line; empty if it has none."""
    field = spec.model_fields.get(name)
    text = field and (field.description or attribute_docstrings(spec).get(name))
    return " ".join((text or "").split())


@dataclass(frozen=True)
class Range:
    """The interval that the tuner searches, as metadata in an option's `Annotated` type.

    Args:
        low: Smallest value.
        high: Largest value.
        step: Distance between two values; None for any value between the bounds.
        log: Whether to search on a logarithmic scale.

    Raises:
        ValueError: If `low` is not below `high`, `step` is not above 0, or `log` is set and `low` is not above 0.

    Example:
        >>> from typing import Annotated
        >>> from zoo import Range, Spec
        >>> class Net(Spec):
        ...     width: Annotated[int, Range(16, 256, log=True)] = 64
        >>> str(Range(16, 256, log=True))
        '16..256 log'
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0) or (self.step is not None and self.step <= 0):
            raise ValueError(f"not a valid search range: {self!r}")

    def __str__(self) -> str:
        marks = ([] if self.step is None else [f"step {self.step:g}"]) + ["log"] * self.log
        return " ".join([f"{format_number(self.low)}..{format_number(self.high)}", *marks])


@dataclass(frozen=True, init=False)
class Choice:
    """The values that the tuner tries, as metadata in an option's `Annotated` type.

    Args:
        *values: At least two values.

    Raises:
        ValueError: If there are fewer than two values.

    Example:
        >>> from typing import Annotated, Literal
        >>> from zoo import Choice, Spec
        >>> class Net(Spec):
        ...     norm: Annotated[Literal["before", "after"], Choice("before", "after")] = "before"
        >>> str(Choice("before", "after"))
        'before | after'
    """

    values: tuple[str | int | float | bool | None, ...]

    def __init__(self, *values: str | int | float | bool | None) -> None:
        if len(values) < 2:
            raise ValueError("a choice needs at least two values")
        object.__setattr__(self, "values", values)

    def __str__(self) -> str:
        return " | ".join(yaml_scalar(value) for value in self.values)


Mark = Range | Choice


@dataclass(frozen=True)
class Option:
    """One option with its type, default, search space and help as text."""

    name: str
    type: str
    default: Any
    search: Mark | None
    help: str
    required: bool = False


def search_space(spec: type[BaseModel]) -> dict[str, Mark]:
    """Map the dotted name of every searched option to its Range or Choice."""
    return {option.name: option.search for option in options(spec) if option.search is not None}


def options(spec: type[BaseModel], prefix: str = "") -> Iterator[Option]:
    """Yield every option of a spec, with dotted names for nested specs."""
    for name, field in spec.model_fields.items():
        if nested := nested_spec(field):
            yield from options(nested, f"{prefix}{name}.")
            continue
        mark = next((m for m in field.metadata if isinstance(m, Range | Choice)), None)
        help_text = option_help(spec, name)
        yield Option(prefix + name, describe_type(field), json_default(field), mark, help_text, field.is_required())


def nested_spec(field: FieldInfo | None) -> type[BaseModel] | None:
    """Get the nested spec that is the type of an option, if any."""
    nested = field.annotation if field else None
    return nested if isinstance(nested, type) and issubclass(nested, BaseModel) else None


def json_default(field: FieldInfo) -> Any:
    """Convert the default of an option to JSON; None if the option is required."""
    return None if field.is_required() else to_jsonable_python(field.get_default(call_default_factory=True))


def describe_type(field: FieldInfo) -> str:
    """Describe the type of an option with its bounds: `int 1..512`, `full | separable`."""
    return type_name(field.annotation, field.metadata)


def bounds(marks: Iterable[Any]) -> str:
    """Format the limits in the metadata of an annotation: ` 1..512`, ` >0..100` or ` 0..<1`."""
    ends: dict[str, Any] = {}
    for mark in marks:
        parts = mark.metadata if isinstance(mark, FieldInfo) else [mark]
        ends |= {key: getattr(part, key) for part in parts for key in ("ge", "gt", "le", "lt") if hasattr(part, key)}
    low = format_number(ends["ge"]) if "ge" in ends else f">{format_number(ends['gt'])}" if "gt" in ends else ""
    high = format_number(ends["le"]) if "le" in ends else f"<{format_number(ends['lt'])}" if "lt" in ends else ""
    return f" {low}..{high}" if low or high else ""


def type_name(annotation: Any, marks: Iterable[Any] = ()) -> str:
    """Describe a type without Python syntax: `int 1..8 | null`, `true | false`, `full | separable`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(args[0], [*args[1:], *marks])
    if origin is Literal:
        return " | ".join(yaml_scalar(arg) for arg in args)
    if origin in (Union, types.UnionType):
        numbers = [arg for arg in args if arg in (int, float)]
        return " | ".join(type_name(arg, marks if arg in numbers else ()) for arg in args)
    if origin in (tuple, list):
        return "list of " + type_name(args[0])
    if origin is dict:
        return "mapping"
    named = {bool: "true | false", type(None): "null", str: "text", float: "number", Any: "any"}
    return named.get(annotation, getattr(annotation, "__name__", str(annotation))) + bounds(marks)


def yaml_scalar(value: Any) -> str:
    """Format a scalar as in YAML."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def format_number(value: float) -> str:
    """Format a number without floating-point noise: 512, 0.001, 1e+18."""
    return str(value) if isinstance(value, int) and abs(value) < 10**9 else f"{value:g}"
