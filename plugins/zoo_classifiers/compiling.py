"""torch.compile for uses that do not share its limit of recompilations, past which it silently runs eagerly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any, cast

import torch


def fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with code of its own: the limit counts what was compiled for one code object."""
    old = cast(FunctionType, function)
    return FunctionType(old.__code__.replace(), old.__globals__, old.__name__, old.__defaults__, old.__closure__)


@functools.cache
def compiled(function: Callable[..., Any], *options: Hashable) -> Callable[..., Any]:
    """The function, compiled once for all sizes, but apart for each of the options that it is called with."""
    return torch.compile(fresh(function), dynamic=True)


def ready(function: Callable[..., Any], *options: Hashable) -> Callable[..., Any]:
    """The function as it is best called: compiled, or as it is where all around it is being compiled."""
    return function if torch.compiler.is_compiling() else compiled(function, *options)
