"""Validate options against a spec; the first error becomes one line with its location."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zoo.core.errors import ZooError
from zoo.core.spec import describe_type, nested_spec, option_help
from zoo.registry.advice import advise_on_option, advise_on_value
from zoo.registry.raw_entry import RawEntry

B = TypeVar("B", bound=BaseModel)


def validate(spec: type[B], raw: RawEntry, path: tuple[str, ...], options: Any) -> B:
    """Make a spec from options; ZooError with the first error as one line."""
    try:
        return spec.model_validate(options)
    except ValidationError as error:
        raise ZooError(*first_error(error.errors(include_url=False), spec, raw, path, options)) from None


def first_error(
    errors: list[ErrorDetails], spec: type[BaseModel], raw: RawEntry, path: tuple[str, ...], options: Any
) -> tuple[str, str]:
    """Format the first validation error as one line with its location, and a hint."""
    first = errors[0]
    loc = option_path(first["loc"], options, first["type"] == "missing")
    full = (*path, *loc)
    where = f"{raw.location(full)}{'.'.join((raw.name, *full))}"
    owner = nested_spec_at(spec, loc[:-1])
    if first["type"] == "extra_forbidden":
        hint = advise_on_option(raw, full, owner.model_fields, first["input"]) if loc else ""
        return f"{where[:200]} is not an option", hint or f"see `zoo show {raw.name} --options`"
    if first["type"] == "missing":
        return f"{where} is required ({option_help(owner, loc[-1])})", ""
    text = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").partition(", unable to")[0]
    field = owner.model_fields.get(loc[-1]) if loc else None
    if field and any(option_path(other["loc"], options) == loc for other in errors[1:]):
        text = f"should be {describe_type(field)}"  # no member of a union accepted it
    elif first["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        text = "should be a mapping of options"
    got = "" if isinstance(first["input"], dict) or ", got " in text else f", got {first['input']!r:.80}"
    hint = advise_on_value(raw.name, full, field, first["input"]) if "command line" in raw.location(full) else ""
    return f"{where}: {text[:1].lower()}{text[1:]}{got}", hint


def option_path(loc: tuple[str | int, ...], options: Any, missing: bool = False) -> tuple[str, ...]:
    """Return those keys of pydantic's path that are in the options.

    That path also names union members and set items.
    """
    keys: list[str] = []
    for index, part in enumerate(loc):
        inside = isinstance(options, dict) and part in options
        if inside or (isinstance(options, list) and isinstance(part, int) and part < len(options)):
            options = options[part]
            keys.append(str(part))
        elif missing and index == len(loc) - 1:
            keys.append(str(part))
    return tuple(keys)


def nested_spec_at(spec: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel]:
    """Return the nested spec at a path, as far as the path leads."""
    for part in path:
        nested = nested_spec(spec.model_fields.get(part))
        if nested is None:
            break
        spec = nested
    return spec
