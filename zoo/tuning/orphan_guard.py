"""Let no worker of Ray outlive its driver: on Linux workers die with the raylet of their machine.

Without this it takes seconds after a driver was killed, and many while a worker is busy with its imports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

SUPPORTED_RAY = "2.60."
"""The version of Ray whose way to start workers is known; workers of others outlive a killed driver by seconds."""


def is_supported() -> bool:
    """Tell whether the installed Ray lets its workers be started with the shim."""
    return sys.platform == "linux" and version("ray").startswith(SUPPORTED_RAY)


@contextmanager
def orphan_guard() -> Iterator[None]:
    """Let a Ray that starts within the block begin its workers with `orphan_shim.py`."""
    if not is_supported():
        yield
        return
    from ray._private import ray_constants

    before = ray_constants.SETUP_WORKER_FILENAME
    ray_constants.SETUP_WORKER_FILENAME = str(Path(__file__).with_name("orphan_shim.py"))
    try:
        yield
    finally:
        ray_constants.SETUP_WORKER_FILENAME = before
