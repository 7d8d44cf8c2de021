"""Isolate the import of a plugin: discard output, restore global state, let Ctrl-C through."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import Any, NamedTuple


class UserInterrupt(BaseException):
    """Raised when the user presses Ctrl-C while a plugin is imported."""


@contextmanager
def isolate_import() -> Iterator[None]:
    """Discard what a plugin prints, and tell Ctrl-C from a KeyboardInterrupt that the plugin raises.

    Ctrl-C ends the block with UserInterrupt, even if the plugin catches the KeyboardInterrupt.
    """
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        if before is signal.default_int_handler or not callable(before):
            raise KeyboardInterrupt
        before(number, frame)  # that of the command line, which interrupts no import of native code

    before = signal.getsignal(signal.SIGINT) if in_main_thread() else None
    if callable(before):
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        if callable(before):
            signal.signal(signal.SIGINT, before)
        if pressed:
            raise UserInterrupt


def in_main_thread() -> bool:
    """Return whether this is the main thread, where signal handlers can be set."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def silence_stdout() -> Iterator[None]:
    """Discard everything that is written to stdout within the block, also by C code."""
    with ExitStack() as stack:
        with suppress(OSError, ValueError, AttributeError):  # a process may have no stdout
            sys.__stdout__.flush()  # type: ignore[union-attr]
            kept = os.dup(1)
            stack.callback(os.close, kept)
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - not a path on Windows
                os.dup2(nowhere.fileno(), 1)
            stack.callback(os.dup2, kept, 1)
        yield


class GlobalState(NamedTuple):
    """A piece of global state that all code of a process shares."""

    module: str
    name: str
    get: Callable[[Any], Any]
    set: Callable[[Any, Any], object]
    is_fresh: Callable[[Any], bool]
    """Returns whether the state is that of a freshly imported module."""
    reset: Callable[[Any], object]
    """Resets the state to that of a freshly imported module."""


MAX_USER_SEED = 2**32
"""User seeds are smaller; torch's initial seed is a random 53-bit number."""
GLOBAL_STATES = (
    GlobalState(
        "random",
        "Python's random state",
        lambda m: m.getstate(),
        lambda m, state: m.setstate(state),
        lambda m: True,  # this module imports it
        lambda m: None,
    ),
    GlobalState(
        "numpy.random",
        "NumPy's random state",
        lambda m: m.get_state(),
        lambda m, state: m.set_state(state),
        lambda m: m.get_bit_generator().seed_seq is not None,  # None once it was seeded
        lambda m: m.seed(),
    ),
    GlobalState(
        "torch",
        "torch's random state",
        lambda m: m.get_rng_state(),
        lambda m, state: m.set_rng_state(state),
        lambda m: bool(m.initial_seed() >= MAX_USER_SEED),
        lambda m: m.seed(),
    ),
    GlobalState(
        "torch",
        "torch's default dtype",
        lambda m: m.get_default_dtype(),
        lambda m, dtype: m.set_default_dtype(dtype),
        lambda m: m.get_default_dtype() == m.float32,
        lambda m: m.set_default_dtype(m.float32),
    ),
    GlobalState(
        "signal",
        "signal handlers",
        lambda m: {number: m.getsignal(number) for number in m.valid_signals()},
        lambda m, handlers: restore_handlers(handlers),
        lambda m: True,
        lambda m: None,
    ),
)


@contextmanager
def restore_globals() -> Iterator[list[str]]:
    """Restore global state that changes within the block; lists what changed."""
    changed: list[str] = []
    before = global_states()
    with warnings.catch_warnings():
        filters = list(warnings.filters)
        try:
            yield changed
        finally:
            changed += [part.name for part in GLOBAL_STATES if restore_state(part, before)]
            changed += ["the warnings filters"] if filters_changed(filters) else []


def global_states() -> dict[GlobalState, Any]:
    """Return the global state of all modules that are imported."""
    found = {}
    for part in GLOBAL_STATES:
        with suppress(Exception):  # torch may be partially imported by another thread, or another module
            if module := sys.modules.get(part.module):
                found[part] = part.get(module)
    return found


def restore_state(part: GlobalState, before: dict[GlobalState, Any]) -> bool:
    """Restore one piece of global state; return whether it had changed."""
    module = sys.modules.get(part.module)
    with suppress(Exception):  # likewise
        if module and part in before and comparable(part.get(module)) != comparable(before[part]):
            part.set(module, before[part])
            return True
        if module and part not in before and not part.is_fresh(module):
            part.reset(module)
            return True
    return False


def comparable(state: Any) -> Any:
    """Convert arrays to lists, so that states can be compared."""
    if isinstance(state, tuple):
        return [comparable(part) for part in state]
    return state.tolist() if hasattr(state, "tolist") else state


def restore_handlers(handlers: dict[int, Any]) -> None:
    """Restore signal handlers; one that was not set by Python cannot be restored."""
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def filters_changed(before: list[Any]) -> bool:
    """Return whether a filter was removed, or one for a whole category added.

    Filters for single messages or modules do not count, since libraries add them at import.
    """
    new = [each for each in warnings.filters if each not in before]
    return any(each not in warnings.filters for each in before) or any(
        message is None and module is None and category.__module__ == "builtins"
        for _, message, category, module, _ in new
    )
