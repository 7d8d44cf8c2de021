"""Ray's workers on a leash: on Linux they die with the Ray of their machine, and so with a killed driver.

Ray's own way takes seconds, and many of them while a worker is busy with its imports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

KNOWN = "2.60."
"""The Ray whose way to start workers is known here; workers of another outlive a killed driver by seconds."""


def known() -> bool:
    """Whether workers of the Ray that is installed can be put on the leash."""
    return sys.platform == "linux" and version("ray").startswith(KNOWN)


@contextmanager
def leashed() -> Iterator[None]:
    """A Ray that starts within the block begins its workers with `shim.py`, in place of its own shim."""
    if not known():
        yield
        return
    from ray._private import ray_constants

    before = ray_constants.SETUP_WORKER_FILENAME
    ray_constants.SETUP_WORKER_FILENAME = str(Path(__file__).with_name("orphan_shim.py"))
    try:
        yield
    finally:
        ray_constants.SETUP_WORKER_FILENAME = before
