"""Let no process of Ray outlive its driver: on Linux workers and agents die with the raylet of their machine.

Without this it takes seconds after a driver was killed, many while a worker is busy with its imports, and a minute for
an agent that was still starting.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

SUPPORTED_RAY = "2.60."
"""The version of Ray whose way to start processes is known; those of others may outlive a killed driver."""


def is_supported() -> bool:
    """Tell whether the installed Ray lets its workers and agents be started with the shim."""
    return sys.platform == "linux" and version("ray").startswith(SUPPORTED_RAY)


@contextmanager
def orphan_guard() -> Iterator[None]:
    """Let a Ray that starts within the block begin its workers and agents with `orphan_shim.py`."""
    if not is_supported():
        yield
        return
    from ray._private import ray_constants, services, utils

    shim = str(Path(__file__).with_name("orphan_shim.py"))
    interpreter, die = (
        services._build_python_executable_command_memory_profileable,
        utils.set_kill_on_parent_death_linux,
    )
    agents = (ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT)

    def guarded(component: str, *options: Any, **named: Any) -> list[str]:
        first, *rest = interpreter(component, *options, **named)
        return [first, shim, *rest] if component in agents else [first, *rest]

    with ExitStack() as stack:
        stack.enter_context(patch.object(ray_constants, "SETUP_WORKER_FILENAME", shim))
        stack.enter_context(patch.object(services, interpreter.__name__, guarded))
        stack.enter_context(patch.object(utils, die.__name__, die_with_parent(os.getpid(), die)))
        yield


def die_with_parent(parent: int, die: Callable[[], None]) -> Callable[[], None]:
    """Wrap what lets a new process die with its parent: it ends at once where the parent is dead by then."""

    def ask() -> None:
        die()
        if os.getppid() != parent:
            os._exit(1)

    return ask
