"""Continue a training without torch.compile if that fails along the way."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from zoo.core.errors import as_out_of_memory, one_line

if TYPE_CHECKING:
    from torch import nn


P = ParamSpec("P")
T = TypeVar("T")
FAILURES: list[str] = []
"""Reasons for which torch.compile failed, one for each affected training of this process."""
COMPILER_MODULES = ("torch._dynamo.", "torch._functorch.", "torch._inductor.", "triton.")
SHARED_MODULES = sys.stdlib_module_names | {"torch", "filelock"}


class EagerFallback:
    """Call functions of a training; if torch.compile fails in one, repeat it eagerly, and run all later ones eagerly.

    A function must not change any state before its compiled code has run. If that code ran in part, batch norms have
    seen a batch twice.
    """

    def __init__(self, model: nn.Module, note: Callable[[str], None]) -> None:
        self.model, self.note, self.eager, self.stack = model, note, False, ExitStack()

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function, again without torch.compile if that fails, and return its result."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if self.eager or not is_compile_error(error):
                raise
            reason = describe_error(error)
        # The tensors of the failed attempt are released only after the except block.
        self.switch_to_eager(reason)
        return function(*args, **kwargs)

    def switch_to_eager(self, reason: str) -> None:
        """Stop compiling, and stop using compiled code."""
        import torch

        FAILURES.append(reason)
        self.note(f"torch.compile failed ({reason}); continuing without it")
        self.stack.enter_context(torch.compiler.set_stance("force_eager"))
        self.eager = True
        self.model.zero_grad(set_to_none=True)

    def close(self) -> None:
        """Allow compilation again, for other trainings of this process."""
        self.stack.close()


def is_compile_error(error: Exception) -> bool:
    """Whether an error comes from compiling or from compiled code, other than by running out of memory.

    Cached code may be used first in a backward pass, whose errors have no type of their own.
    """
    exceptions = sys.modules.get("torch._dynamo.exc")
    if exceptions is None:
        return False
    inner = getattr(error, "inner_exception", error)
    if as_out_of_memory(inner) and not type(inner).__module__.startswith(COMPILER_MODULES):
        return False
    return isinstance(error, exceptions.TorchDynamoException) or origin_module(error).startswith(COMPILER_MODULES)


def origin_module(error: Exception) -> str:
    """Return the innermost module in an error's traceback, except modules that both compilers and models call."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [f"{frame.f_globals.get('__name__', '')}." for frame in reversed(frames)]
    return next(
        (name for name in names if name.startswith(COMPILER_MODULES) or name.split(".")[0] not in SHARED_MODULES), ""
    )


def describe_error(error: Exception) -> str:
    """Describe the cause of an error in one line."""
    cause = getattr(error, "inner_exception", error)
    text = str(cause).strip().partition("\n")[0]
    return one_line(f"{type(cause).__name__}: {text}")[:200]
