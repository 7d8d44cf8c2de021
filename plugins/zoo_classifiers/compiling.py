"""torch.compile with a recompilation limit for each use: past the limit it silently runs eagerly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any, cast

import torch


def with_own_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """Copy a function with its code object, since the recompilation limit counts per code object."""
    old = cast(FunctionType, function)
    return FunctionType(old.__code__.replace(), old.__globals__, old.__name__, old.__defaults__, old.__closure__)


@functools.cache
def compile_dynamic(function: Callable[..., Any], *options: Hashable) -> Callable[..., Any]:
    """Compile a function for all sizes, once for each combination of options."""
    return torch.compile(with_own_code(function), dynamic=True)


def maybe_compile(function: Callable[..., Any], *options: Hashable) -> Callable[..., Any]:
    """Return the function compiled, or unchanged inside another compilation."""
    return function if torch.compiler.is_compiling() else compile_dynamic(function, *options)
