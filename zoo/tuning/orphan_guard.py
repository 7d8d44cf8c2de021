"""Make Ray's processes end with their driver: on Linux, workers and agents die with the raylet of their machine.

Without this, workers end only seconds after a driver was killed, later if they are busy with imports, and agents that
were still starting end after a minute.
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
"""Version of Ray for which the guard works; processes of other versions may outlive a killed driver."""


def is_supported() -> bool:
    """Whether workers and agents of the installed Ray can be started with the shim."""
    return sys.platform == "linux" and version("ray").startswith(SUPPORTED_RAY)


@contextmanager
def orphan_guard() -> Iterator[None]:
    """Make Ray start its workers and agents with `orphan_shim.py`, if Ray starts within the block."""
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
    """Wrap the function that makes a process die with its parent, to end at once if the parent is already dead."""

    def request() -> None:
        die()
        if os.getppid() != parent:
            os._exit(1)

    return request
