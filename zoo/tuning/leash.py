"""The first that each of Ray's workers runs: on Linux it dies with the Ray of its machine, and so with a killed driver.

Ray's own way takes seconds, and many of them while a worker is busy with its imports.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


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
