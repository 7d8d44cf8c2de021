"""The public API as text, one signature a line, so that a change of it is seen."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from zoo.core.spec import options

PACKAGES = ("zoo", "zoo.core", "zoo.data", "zoo.models", "zoo.registry", "zoo.testing")
PUBLIC = {package: tuple(import_module(package).__all__) for package in PACKAGES}
"""What plugins may rely on: the names in `__all__` of the public packages."""


def lines() -> list[str]:
    """Everything that plugins may rely on; what has two names is described under the first."""
    found: list[str] = []
    described: dict[int, str] = {}
    for full in (f"{module}.{name}" for module, names in PUBLIC.items() for name in names):
        module, _, name = full.rpartition(".")
        thing = getattr(import_module(module), name)
        first = described.setdefault(id(thing), full) if callable(thing) else full
        found += shown(full, thing) if first == full else [f"{full} is {first}"]
    return found


def shown(name: str, thing: Any) -> Iterator[str]:
    """One public thing, with all its parts."""
    if inspect.isclass(thing):
        yield f"class {name}({', '.join(base.__name__ for base in thing.__bases__ if base is not object)})"
        yield from (f"{name}.{part}" for part in [*fields(thing), *methods(thing)])
    elif inspect.isroutine(thing):
        yield f"def {name}{signature(thing)}"
    elif isinstance(thing, int | float | str | tuple):
        yield f"{name} = {thing!r}"
    else:
        yield f"{name}: {type(thing).__name__ if type(thing).__module__.startswith('pluggy') else thing}"


def fields(thing: type) -> Iterator[str]:
    """The options of a spec, the fields of a dataclass or a tuple, the attributes that a class says it has."""
    if issubclass(thing, BaseModel):
        for option in options(thing):
            yield f"{option.name}: {option.type}{'' if option.required else f' = {option.default}'}"
        return
    defaults: dict[str, Any] = dict(getattr(thing, "_field_defaults", {}))
    if dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            if field.default is not dataclasses.MISSING:
                defaults[field.name] = field.default
            elif field.default_factory is not dataclasses.MISSING:
                defaults[field.name] = "made anew"
    for name, type_name in inspect.get_annotations(thing).items():
        yield f"{name}: {plain(type_name)}{f' = {defaults[name]!r}' if name in defaults else ''}"


def methods(thing: type) -> Iterator[str]:
    """The methods and properties that a class or one of the zoo's below it defines."""
    found: dict[str, Any] = {}
    for each in reversed(thing.__mro__):
        if each.__module__.startswith("zoo") and not issubclass(each, BaseModel):
            found |= vars(each)
    written = not dataclasses.is_dataclass(thing) and not hasattr(thing, "_fields")
    for name, value in found.items():
        if name.startswith("_") and not (name == "__init__" and written):
            continue
        if isinstance(value, property | cached_property):
            function = value.fget if isinstance(value, property) else value.func
            yield f"{name} -> {plain(inspect.get_annotations(function)['return'])}" if function else name
        elif isinstance(value, staticmethod | classmethod):
            yield f"{name}{signature(value.__func__)} [{type(value).__name__}]"
        elif inspect.isfunction(value):
            yield f"{name}{signature(value)}"


def signature(function: Any) -> str:
    """Parameters and result, with annotations as they are written and functions by name."""
    text = re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"\1", str(inspect.signature(function)))
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)


def plain(annotation: Any) -> str:
    """An annotation as it is written."""
    return str(getattr(annotation, "__forward_arg__", annotation))
