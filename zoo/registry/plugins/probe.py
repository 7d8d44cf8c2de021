"""Probe plugins in separate Python processes, so that a broken plugin cannot harm this one."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from zoo.core.temporary import scratch_folder
from zoo.registry.plugins.probe_cache import ProbeRecord

BOOTSTRAP = """
import json, sys
order = json.load(sys.stdin)
sys.path[:] = order.pop("path")
from importlib import import_module
module, _, name = order.pop("call").partition(":")
getattr(import_module(module), name)(order)
"""
WAIT_VARIABLE, DEFAULT_WAIT = "ZOO_PLUGIN_WAIT", 3.0
"""The variable that sets how many seconds a command waits for plugins not seen before, and the default."""
IMPORT_TIMEOUT = 60.0
"""Seconds after which the import of a plugin is aborted."""
RESULT_GRACE = 5.0
"""Additional seconds to wait for the result of an aborted import."""
POLL_SECONDS = 0.02


def start_python(
    call: str, order: dict[str, Any], out: IO[bytes] | int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a Python process that calls `module:function` with `order`; OSError if it cannot be started.

    It has this process's import path and a session of its own: Ctrl-C does not reach it, and no window opens.
    """
    if not sys.executable:
        raise OSError("no Python interpreter was found to start")
    path = [item for item in sys.path if isinstance(item, str)]  # Python ignores all other items too
    process = subprocess.Popen(
        [sys.executable, "-c", BOOTSTRAP],
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


def wait_seconds() -> float:
    """Return how many seconds a command waits for plugins not seen before."""
    with suppress(ValueError, OverflowError):
        return min(max(float(os.environ.get(WAIT_VARIABLE) or DEFAULT_WAIT), 0.0), IMPORT_TIMEOUT)
    return DEFAULT_WAIT


class Probes:
    """Running probes of plugins; they outlive this process by at most a minute."""

    def __init__(self, unseen: Iterable[ProbeRecord]) -> None:
        self.records = make_writable(list(unseen))
        self.began = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None
        orders = [probe_order(record) for record in self.records]
        with suppress(OSError):
            self.process = start_python(
                "zoo.registry.plugins.probe_worker:supervise", {"limit": IMPORT_TIMEOUT, "plugins": orders}
            )

    def wait(self, seconds: float, records: Iterable[ProbeRecord] = ()) -> None:
        """Wait until probes (default: all) have finished, or `seconds` since their start."""
        left = list(records) or self.records
        while left and self.running and time.monotonic() < self.began + seconds:
            left = [record for record in left if not record.read()]
            time.sleep(POLL_SECONDS if left else 0)

    @property
    def running(self) -> bool:
        """Whether probes are still running."""
        return self.process is not None and self.process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether the probing process could not be started or failed."""
        return self.process is None or bool(self.process.poll())


def probe_order(record: ProbeRecord) -> dict[str, Any]:
    """Return the data that the probe of a plugin needs."""
    point = record.point
    return {"name": point.name, "value": point.value, "file": str(record.file), "kept": record.to_json({})}


def make_writable(records: list[ProbeRecord]) -> list[ProbeRecord]:
    """Move the records to a temporary folder if the cache folder is not writable."""
    folder = records[0].file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = scratch_folder("plugins")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return [replace(record, file=folder / record.file.name) for record in records]
