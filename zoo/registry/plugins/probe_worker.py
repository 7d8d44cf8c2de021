"""The processes that probe plugins: a supervisor, and one process per plugin."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from zoo.core.files import write_json
from zoo.core.temporary import scratch
from zoo.core.version import API
from zoo.registry.plugins.probe import start_python

HEAVY_LIBRARIES = (
    *("torch", "torchvision", "timm", "ray", "optuna", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "PIL"),
    *("transformers", "tensorflow", "jax"),
)
"""Libraries that are slow to import, so plugins should import them in `build`."""
POLL_SECONDS = 0.02


def supervise(order: dict[str, Any]) -> None:
    """Probe plugins in parallel and write each result; ends when all have finished or were killed.

    The exit code is 1 if a probe ended before it could import its plugin.
    """
    with scratch("probe") as folder:
        failed_early = probe_all(order, folder)
    sys.exit(failed_early)


def probe_all(order: dict[str, Any], folder: Path) -> bool:
    """Probe plugins in parallel; return whether a probe ended before it could import its plugin."""
    failed_early = False
    probes = []
    for number, plugin in enumerate(order["plugins"]):
        with suppress(OSError):  # e.g. too many processes: this plugin is probed another time
            probes.append(Probe(plugin, folder / str(number), order["limit"]))
    deadline = time.monotonic() + order["limit"]
    while probes:
        finished = [probe for probe in probes if probe.finish(time.monotonic() > deadline)]
        failed_early |= any(probe.failed_early for probe in finished)
        probes = [probe for probe in probes if probe not in finished]
        time.sleep(POLL_SECONDS)
    return failed_early


class Probe:
    """The process in which one plugin is imported."""

    def __init__(self, plugin: dict[str, Any], path: Path, limit: float) -> None:
        self.plugin, self.limit = plugin, limit
        self.failed_early = False
        self.result, self.started = path.with_suffix(".json"), path.with_suffix(".begun")
        files = {"result": str(self.result), "begun": str(self.started)}
        order = {"name": plugin["name"], "value": plugin["value"], "limit": limit, **files}
        with path.with_suffix(".out").open("w+b") as out:
            self.process = start_python("zoo.registry.plugins.probe_worker:probe", order, out)

    def finish(self, late: bool) -> bool:
        """Return whether the probe has ended or is `late`.

        If so, its result is written and its child processes are killed.
        """
        code = self.process.poll()
        if code is None and not late:
            return False
        with suppress(OSError):
            kill_group(self.process)
        self.process.wait()
        if self.started.exists():
            result = read_result(self.result) or {"error": exit_reason(code, self.limit)}
            with suppress(Exception):  # there is nobody to report it to
                write_json(Path(self.plugin["file"]), {**self.plugin["kept"], "verdict": result}, private=True)
        else:
            self.failed_early = code is not None
        return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its process group."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def read_result(path: Path) -> dict[str, Any] | None:
    """Read the result of a probe; None if it ended before writing one."""
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result


def exit_reason(code: int | None, limit: float) -> str:
    """Describe how a probe process ended."""
    if code is None:
        return f"it has not finished importing within {limit:.0f} s"
    return f"it terminated the process ({f'os._exit({code})' if code >= 0 else f'signal {-code}'})"


def probe(order: dict[str, Any]) -> None:
    """Import one plugin, call its hooks, write the result, and exit at once."""
    import zoo.registry.plugins.load  # noqa: F401 - an error here is not the plugin's fault
    from zoo.registry.hooks import PROJECT
    from zoo.registry.plugins.probe_cache import ProbeResult

    Path(order["begun"]).touch()
    faulthandler.dump_traceback_later(order["limit"] + 5, exit=True)  # in case the supervisor was killed
    result = probe_plugin(EntryPoint(order["name"], order["value"], PROJECT))
    write_json(Path(order["result"]), ProbeResult.model_validate(result).model_dump(mode="json"))
    os._exit(0)


def probe_plugin(point: EntryPoint) -> dict[str, Any]:
    """Import a plugin and return the fields of its ProbeResult."""
    from zoo.registry.plugins.isolation import restore_globals
    from zoo.registry.plugins.load import LevelError, error_line, import_plugin
    from zoo.registry.plugins.probe_cache import KindSummary

    result: dict[str, Any] = {}
    before, began = set(sys.modules), time.monotonic()
    with restore_globals() as changed:
        try:
            given = import_plugin(point)
            kinds = tuple(KindSummary(kind.family, kind.name, kind.summary) for kind in given.kinds)
            result |= {"kinds": kinds, "registries": bool(given.registries), "weights": bool(given.weights)}
            result["level"] = given.level
        except BaseException as error:
            result |= {"error": error_line(error), "level": error.level if isinstance(error, LevelError) else API}
    seconds = round(time.monotonic() - began, 2)
    heavy = tuple(name for name in HEAVY_LIBRARIES if name in sys.modules and name not in before)
    return result | {"seconds": seconds, "heavy": heavy, "changed": tuple(changed), "printed": captured_stdout()}


def captured_stdout() -> str:
    """Return the beginning of what this process wrote to stdout, which is a file here."""
    from zoo.core.errors import one_line

    with suppress(OSError, ValueError, AttributeError):
        sys.__stdout__.flush()  # type: ignore[union-attr]
    try:
        os.lseek(1, 0, os.SEEK_SET)
        return one_line(os.read(1, 400).decode(errors="replace"))[:60]
    except OSError:
        return ""
