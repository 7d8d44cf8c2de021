"""Start a worker of Ray so that it dies with its parent; run in place of Ray's own shim.

It imports little, since each worker waits for it.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG, SIGKILL = 1, 9  # the module `signal` takes longer to import than all that is done here


def main() -> None:
    """Run the worker in this process, as Ray would have: the signal of a parent's death outlives `exec`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    parent = str(os.getppid())
    if os.environ.get("RAY_RAYLET_PID", parent) != parent:  # it died before the signal was asked for
        sys.exit(1)
    os.execv(sys.executable, [sys.executable, *command(sys.argv[1:])])


def command(words: list[str]) -> list[str]:
    """What Ray itself would have run: its shim where a job asks for an environment, else the worker alone."""
    if not any(word.startswith("--serialized-runtime-env-context=") for word in words):
        return [word for word in words if not word.startswith("--language=")]
    from pathlib import Path

    worker = next(word for word in words if not word.startswith("-"))
    return [str(Path(worker).with_name("setup_worker.py")), *words]


if __name__ == "__main__":
    main()
