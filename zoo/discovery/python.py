"""A Python process that works on an order: with this one's import path, in a session of its own, unheard."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import IO, Any

BOOT = """
import json, sys
order = json.load(sys.stdin)
sys.path[:] = order.pop("path")
from importlib import import_module
module, _, name = order.pop("call").partition(":")
getattr(import_module(module), name)(order)
"""


def start(call: str, order: dict[str, Any], out: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start Python on `module:function` with an order as its argument; OSError where no process can be started.

    A Ctrl-C at the terminal does not reach it, and a window is not opened for it.
    """
    if not sys.executable:
        raise OSError("this program has no Python to start")
    path = [place for place in sys.path if isinstance(place, str)]  # as Python itself ignores all else
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT],
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    assert process.stdin
    with process.stdin as stdin:
        stdin.write(json.dumps(order | {"call": call, "path": path}).encode())
    return process
