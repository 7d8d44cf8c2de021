"""Ray as the tuner uses it: quiet, of this machine or at an address."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.core.errors import ResourceError, one_line
from zoo.registry.plugins.blocklist import environment
from zoo.tuning.orphan_guard import leashed

QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait slow each other down where workers share cores
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5",  # seconds that trials on a cluster outlive a client that was killed
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_prestart_worker_first_driver": "0",  # trials have workers of their own, and would leave the early ones idle
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""Ray's switches: no chatter, no usage statistics, no state of its own."""


@dataclass(frozen=True)
class Place:
    """Where trials run."""

    address: str | None
    parallel: int | None
    device: str


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block Ray says nothing, and the environment has its switches."""
    before = {key: os.environ.get(key) for key in QUIET}
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


@contextmanager
def cluster(place: Place) -> Iterator[None]:
    """Within the block Ray is there: the one that this process already has, one at an address, or one of its own."""
    import ray

    if ray.is_initialized():
        yield
        return
    hush()
    address = place.address or os.environ.get("RAY_ADDRESS")
    # Without "local" Ray would join a cluster that somebody else started on this machine.
    own = {"address": "local", "include_dashboard": False, "num_cpus": cores()}
    # A cluster that is there already has not the environment of this process, as workers started here have.
    there = {"address": address, "runtime_env": {"env_vars": environment()}}
    options: dict[str, Any] = there if address else own
    if address:
        knock(address)
    try:
        with own_signals(), leashed():
            ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
    except Exception as error:
        text = f"Ray did not start: {one_line(str(error))[:200]}"
        raise ResourceError(text, "look at memory, disk and ports, or at the address") from error
    try:
        if not address:
            free_agents(ray)
        yield
    finally:
        with suppress(Exception):
            ray.shutdown()


def knock(address: str) -> None:
    """A ResourceError where nobody listens: Ray would try for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        text = f"no Ray answers at {address}: {error}"
        raise ResourceError(text, "look at the address, or start one there") from error


def free_agents(ray: Any) -> None:
    """Let Ray's agents end when this process is killed: else they try for a minute to tell its Ray of its death.

    They do so unless they find three words in a log.
    """
    with suppress(OSError, AttributeError):
        log = Path(ray._private.worker._global_node.get_logs_dir_path(), "raylet.out")
        with log.open("a", encoding="utf-8") as file:
            file.write('zoo: where "Raylet received SIGTERM" stands, agents do not wait for a Ray that is gone\n')


def hush() -> None:
    """Ray prints the death of each worker to stdout, whatever it is told; the study names them."""
    import ray._private.worker

    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *told, **how: None


@contextmanager
def own_signals() -> Iterator[None]:
    """After the block signals are handled as before: Ray takes SIGTERM, and dies of it at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
