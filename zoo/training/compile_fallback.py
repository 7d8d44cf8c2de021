"""Continue a training without torch.compile if that fails on the way."""

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
"""Why torch.compile failed, for each training of this process in which it did."""
COMPILERS = ("torch._dynamo.", "torch._functorch.", "torch._inductor.", "triton.")
SHARED = sys.stdlib_module_names | {"torch", "filelock"}


class Fallback:
    """Calls parts of a training; once torch.compile fails in one, it is called again, and all after it, eagerly.

    A part must change nothing that counts before the compiled code in it has run. Where it did run in part, batch
    norms have seen a batch twice.
    """

    def __init__(self, model: nn.Module, note: Callable[[str], None]) -> None:
        self.model, self.note, self.eager, self.stack = model, note, False, ExitStack()

    def __call__(self, part: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the part returns."""
        try:
            return part(*args, **kwargs)
        except Exception as error:
            if self.eager or not is_compile_error(error):
                raise
            reason = describe_error(error)
        # Only here, past the except block, the tensors of the failed attempt are free.
        self.give_up(reason)
        return part(*args, **kwargs)

    def give_up(self, reason: str) -> None:
        """From here on nothing is compiled, and what is compiled is not used."""
        import torch

        FAILURES.append(reason)
        self.note(f"torch.compile failed ({reason}); continuing without it")
        self.stack.enter_context(torch.compiler.set_stance("force_eager"))
        self.eager = True
        self.model.zero_grad(set_to_none=True)

    def close(self) -> None:
        """Let other trainings of this process compile."""
        self.stack.close()


def is_compile_error(error: Exception) -> bool:
    """Whether an error comes from compiling or from compiled code; not where memory ran out.

    The first use of what a cache holds may be within a backward pass, where its errors have no type of their own.
    """
    exceptions = sys.modules.get("torch._dynamo.exc")
    if exceptions is None:
        return False
    inner = getattr(error, "inner_exception", error)
    if as_out_of_memory(inner) and not type(inner).__module__.startswith(COMPILERS):
        return False
    return isinstance(error, exceptions.TorchDynamoException) or origin(error).startswith(COMPILERS)


def origin(error: Exception) -> str:
    """The innermost module that the error came through, passing over what compilers and models alike call."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [f"{frame.f_globals.get('__name__', '')}." for frame in reversed(frames)]
    return next((name for name in names if name.startswith(COMPILERS) or name.split(".")[0] not in SHARED), "")


def describe_error(error: Exception) -> str:
    """The cause in a line."""
    cause = getattr(error, "inner_exception", error)
    text = str(cause).strip().partition("\n")[0]
    return one_line(f"{type(cause).__name__}: {text}")[:200]
