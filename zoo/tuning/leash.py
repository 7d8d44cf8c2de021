"""Imported first by each of Ray's workers: on Linux it dies with the Ray of its machine, and so with a killed driver.

Ray's own way takes seconds, and many of them while a worker is busy with its imports.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
