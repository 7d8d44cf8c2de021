"""Ray's workers on a leash: on Linux they die with the Ray of their machine, and so with a killed driver.

Ray's own way takes seconds, and many of them while a worker is busy with its imports. So this file is the first that
each worker runs, in place of the shim with which Ray sets up environments.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KNOWN = "2.60."
"""The Ray whose way to start workers is known here; workers of another outlive a killed driver by seconds."""
PR_SET_PDEATHSIG = 1


@contextmanager
def leashed(ray: Any) -> Iterator[None]:
    """A Ray that starts within the block begins its workers with this file."""
    if sys.platform != "linux" or not ray.__version__.startswith(KNOWN):
        yield
        return
    constants = ray._private.ray_constants
    before = constants.SETUP_WORKER_FILENAME
    constants.SETUP_WORKER_FILENAME = __file__
    try:
        yield
    finally:
        constants.SETUP_WORKER_FILENAME = before


def main() -> None:
    """Run the worker in this process, as Ray would have: the signal of a parent's death outlives `exec`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = str(os.getppid())
    if os.environ.get("RAY_RAYLET_PID", parent) != parent:  # it died before the signal was asked for
        sys.exit(1)
    os.execv(sys.executable, [sys.executable, *command(sys.argv[1:])])


def command(words: list[str]) -> list[str]:
    """What Ray itself would have run: its shim where a job asks for an environment, else the worker alone."""
    if any(word.startswith("--serialized-runtime-env-context=") for word in words):
        worker = next(word for word in words if not word.startswith("-"))
        return [str(Path(worker).with_name("setup_worker.py")), *words]
    return [word for word in words if not word.startswith("--language=")]


if __name__ == "__main__":
    main()
