"""Start a Ray worker so that it dies with its parent; runs in place of Ray's own shim.

It imports little, since it delays each worker's start.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG, SIGKILL = 1, 9  # importing the module `signal` would take longer than everything done here


def main() -> None:
    """Request a signal at the parent's death, which survives `exec`, and run the worker in this process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    parent = str(os.getppid())
    if os.environ.get("RAY_RAYLET_PID", parent) != parent:  # the parent died before the signal was requested
        sys.exit(1)
    os.execv(sys.executable, [sys.executable, *command(sys.argv[1:])])


def command(words: list[str]) -> list[str]:
    """Return Ray's own command: its shim if the job has a runtime environment, otherwise the worker."""
    if not any(word.startswith("--serialized-runtime-env-context=") for word in words):
        return [word for word in words if not word.startswith("--language=")]
    from pathlib import Path

    worker = next(word for word in words if not word.startswith("-"))
    return [str(Path(worker).with_name("setup_worker.py")), *words]


if __name__ == "__main__":
    main()
