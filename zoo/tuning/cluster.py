"""Connect to Ray quietly, on this machine or at an address."""

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

from zoo.core.errors import ResourceError, ZooError, one_line
from zoo.registry.plugins.blocklist import blocklist_variables
from zoo.training.signals import Stop
from zoo.tuning.interruptible_start import interruptible_start
from zoo.tuning.local_ray import private_ray
from zoo.tuning.orphan_guard import orphan_guard

RAY_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads slow each other down when workers share cores
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5",  # seconds that trials on a cluster outlive a client that was killed
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_prestart_worker_first_driver": "0",  # trials have their own workers, so early ones stay idle
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""Ray's environment variables, for no log output, no usage statistics and no saved state."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where trials run: the address of a Ray cluster, the number in parallel, and the device."""

    address: str | None
    """Address of the cluster; None for a private one on this machine."""
    parallel: int | None
    device: str
    from_environment: bool = False
    """Whether the address comes from RAY_ADDRESS."""

    @classmethod
    def choose(cls, address: str | None, parallel: int | None, device: str) -> ClusterOptions:
        """Use the given address, else that in RAY_ADDRESS; `local` means this machine, as in Ray.

        Raises ZooError for a device that trials cannot use.
        """
        environment = "" if address else os.environ.get("RAY_ADDRESS", "")
        chosen = address or environment or "local"
        check_device(device, here=chosen == "local")
        return cls(None if chosen == "local" else chosen, parallel, device, bool(environment))

    @property
    def source(self) -> str:
        """Where the address comes from, as text to append."""
        return " (RAY_ADDRESS in the environment)" if self.from_environment else ""

    @property
    def advice(self) -> str:
        """What to do if no cluster answers."""
        local = "unset RAY_ADDRESS" if self.from_environment else "leave out --address"
        return f"check the address, start a cluster there, or {local} to use only this machine"


def check_device(name: str, *, here: bool) -> None:
    """Raise ZooError for a device that trials, which may run `here` or on other machines, cannot use."""
    if name == "auto":
        return
    from zoo.models.device import KINDS, advise_on_device, choose_device

    kind, colon, number = name.partition(":")
    if kind == "cuda" and colon:
        hint = f"use --device cuda; the environment variable CUDA_VISIBLE_DEVICES={number} chooses a GPU"
        raise ZooError(f"Ray assigns GPUs to trials, so they cannot all use {name}", hint)
    if here:
        choose_device(name)
    elif name not in KINDS:
        raise ZooError(f"no device {name!r}", advise_on_device(name))


@contextmanager
def quiet_ray() -> Iterator[None]:
    """Silence Ray within the block, by warnings filters and environment variables."""
    before = {key: os.environ.get(key) for key in RAY_ENVIRONMENT}
    os.environ.update({key: value for key, value in RAY_ENVIRONMENT.items() if key not in os.environ})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


@contextmanager
def ray_cluster(options: ClusterOptions, stop: Stop | None = None) -> Iterator[None]:
    """Connect to Ray within the block: an existing connection, a cluster at an address, or a new private one.

    A request to stop raises KeyboardInterrupt until Ray is there.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    silence_worker_deaths()
    stop = stop or Stop()
    with join_ray(ray, options, stop) if options.address else start_ray(ray, stop):
        yield


@contextmanager
def start_ray(ray: Any, stop: Stop) -> Iterator[None]:
    """Start a private Ray cluster of this process within the block."""
    with private_ray() as arguments:
        try:
            with keep_signal_handlers(), orphan_guard(), interruptible_start(ray, stop):
                init_ray(ray, num_cpus=available_cores(), **arguments)
        except Exception as error:
            text = f"Ray did not start: {one_line(str(error))[:200]}"
            raise ResourceError(text, "check memory, disk and ports; run zoo doctor for details") from error
        try:
            let_agents_exit(ray)
            yield
        finally:
            with suppress(Exception):
                ray.shutdown()


@contextmanager
def join_ray(ray: Any, options: ClusterOptions, stop: Stop) -> Iterator[None]:
    """Connect to the cluster at an address within the block."""
    check_address(options)
    try:
        with keep_signal_handlers(), interruptible_start(ray, stop):
            # Workers of an existing cluster do not inherit the environment of this process.
            init_ray(ray, address=options.address, runtime_env={"env_vars": blocklist_variables()})
    except Exception as error:
        text = f"no connection to the Ray cluster at {options.address}{options.source}: {one_line(str(error))[:200]}"
        raise ResourceError(text, options.advice) from error
    try:
        yield
    finally:
        with suppress(Exception):
            ray.shutdown()


def init_ray(ray: Any, **arguments: Any) -> None:
    """Start Ray or connect to it, without log output."""
    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **arguments)


def check_address(options: ClusterOptions) -> None:
    """Raise ResourceError if nothing listens at the address, since Ray would retry for a quarter of an hour."""
    host, _, port = str(options.address).removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        text = f"no Ray cluster answers at {options.address}{options.source}: {error}"
        raise ResourceError(text, options.advice) from error


def let_agents_exit(ray: Any) -> None:
    """Let Ray's agents exit when this process is killed.

    Otherwise they try for a minute to report the death, unless a log contains the words written here.
    """
    with suppress(OSError, AttributeError):
        log = Path(ray._private.worker._global_node.get_logs_dir_path(), "raylet.out")
        with log.open("a", encoding="utf-8") as file:
            file.write('zoo: where "Raylet received SIGTERM" stands, agents exit when Ray is gone\n')


def silence_worker_deaths() -> None:
    """Keep Ray from printing the death of each worker to stdout; the study reports them."""
    import ray._private.worker

    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *args, **kwargs: None


@contextmanager
def keep_signal_handlers() -> Iterator[None]:
    """Restore the signal handlers after the block, since Ray replaces that of SIGTERM by one that exits at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)


def available_cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
