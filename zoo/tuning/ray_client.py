"""The engine for ray:// addresses: Ray Tune runs in an actor on the cluster, followed by this process."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.core.errors import LockedError, MissingError, ResourceError, ZooError, one_line
from zoo.core.sections import TuneSpec
from zoo.core.version import __version__
from zoo.registry.entry import restore_entry
from zoo.registry.search.space import Space
from zoo.training.signals import Stop
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions, quiet_ray, ray_cluster
from zoo.tuning.engine import SAVE_GRACE, Engine, TrialsStillRunning, background
from zoo.tuning.ledger import Ledger
from zoo.tuning.storage import write_errors
from zoo.tuning.study import Study, Trial
from zoo.tuning.trial_worker import read_pictures, wait_for_folder

SCHEME = "ray://"
POLL = 0.2
"""Seconds between two polls of the driver on the cluster."""
DRIVER_GRACE = 2.0
"""Seconds beyond SAVE_GRACE in which the driver may report that its trials are saved."""
CLIENT_TIMEOUT = 30.0
"""Seconds without a call after which the driver considers its client gone."""
HEAD_NODE = {"node:__internal_head__": 0.001}
"""Resource that places an actor on the head node, which stays."""
DRIVER_FOLDER = ".driver"
"""Folder locked by the driver on the cluster, which may outlive a killed client by some seconds."""


@dataclass(frozen=True)
class RemoteJob:
    """A call of `zoo tune` as plain data."""

    folder: str
    entry: dict[str, Any]
    spec: TuneSpec
    space: Space
    starts: tuple[dict[str, Any], ...]
    cluster: ClusterOptions
    command: str
    seconds: float | None
    confirm: bool


class RayClientEngine(Engine):
    """An engine that runs another engine on the cluster, while the study's file is closed here."""

    shown: Study

    def run(self) -> None:
        """Start the engine on the cluster and follow it to its end."""
        if find_spec("grpc") is None:
            raise MissingError("an address with ray:// needs Ray Client", 'pip install "ray[client]"')
        logging.getLogger("ray.util.client").setLevel(logging.CRITICAL)
        self.ledger.close()
        try:
            with (
                background(read_pictures, self.ledger.entry) as pictures,
                quiet_ray(),
                ray_cluster(self.cluster, self.stop),
            ):
                driver = self.start_driver()
                self.follow(driver, self.wait(pictures))
        except KeyboardInterrupt:
            self.raise_if_stopped()
            raise
        finally:
            self.ledger.connect()

    def start_driver(self) -> Any:
        """Start an actor on the cluster.

        Raises ZooError if it has another zoo or cannot access the study's folder.
        """
        import ray

        folder = self.ledger.folder
        try:
            driver: Any = ray.remote(Driver).options(num_cpus=0, resources=HEAD_NODE, max_concurrency=2).remote()
            version, lock = self.wait(driver.check_folder.remote(str(folder)).future())
        except (ray.exceptions.RayError, ImportError) as error:
            text = f"the cluster cannot run the zoo: {one_line(str(error))[-200:]}"
            raise MissingError(text, f"install pixel-zoo {__version__} on all machines of the cluster") from error
        if version != __version__:
            raise MissingError(
                f"the cluster has pixel-zoo {version}, but this machine has {__version__}",
                "install the same version",
            )
        if lock != (folder / "lock.json").read_text(encoding="utf-8"):
            raise ResourceError(
                f"the cluster cannot access {folder}", "choose a folder on a shared disk with --storage"
            )
        return driver

    def follow(self, driver: Any, pictures: dict[str, Any]) -> None:
        """Run the engine on the cluster, and pass its events on to the callback until it ends."""
        import ray

        seconds = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        ledger = self.ledger
        job = RemoteJob(
            str(ledger.folder),
            ledger.entry.dump(),
            ledger.spec,
            ledger.space,
            tuple(ledger.starts),
            self.cluster,
            self.command,
            seconds,
            self.confirm,
        )
        try:
            ended = driver.run.remote(job, ray.put(pictures)).future()
            while not ended.done() and self.may_wait():
                self.callback.tick()
                self.replay(ray.get(driver.take_events.remote(self.stop.code)))
                time.sleep(POLL)
            if not ended.done():
                self.raise_reason()
            self.replay(ray.get(driver.take_events.remote(self.stop.code)))
            error = ended.result()
        except (ray.exceptions.RayActorError, ConnectionError) as lost:
            text = f"the connection to the cluster was lost: {one_line(str(lost))[:200]}"
            raise ResourceError(text, f"resume with: {self.command}") from lost
        if error is not None:
            raise error

    def may_wait(self) -> bool:
        """Whether there is time left for the trials to save their state."""
        if self.stop.code and self.stopping_since is None:
            self.stopping_since = time.monotonic()
        return self.stopping_since is None or time.monotonic() < self.stopping_since + SAVE_GRACE + DRIVER_GRACE

    def replay(self, events: list[tuple[Any, ...]]) -> None:
        """Pass the events of the driver on to the callback."""
        for what, *about in events:
            if what == "note":
                self.callback.note(*about)
            elif what == "begin":
                self.shown = about[0]
                self.callback.begin(*about)
            else:
                trials = {trial.number: trial for trial in [*self.shown.trials, *about[0]]}
                self.shown = replace(self.shown, trials=[trials[number] for number in sorted(trials)])
                self.callback.update(self.shown, trials[about[1]])


class Driver(TuneCallback):
    """An actor on the cluster that runs the engine in one thread and passes events to the client in another."""

    def __init__(self) -> None:
        self.events: deque[tuple[Any, ...]] = deque()
        self.known: dict[int, Trial] = {}
        self.stop, self.last_call = Stop(), time.monotonic()

    def check_folder(self, folder: str) -> tuple[str, str | None]:
        """Return the zoo's version, and the content of the study's lock file as this machine sees it."""
        try:
            return __version__, (Path(folder) / "lock.json").read_text(encoding="utf-8")
        except OSError:
            return __version__, None

    def run(self, job: RemoteJob, pictures: dict[str, Any]) -> ZooError | None:
        """Run the engine, and return its error, since Ray would wrap a raised one."""
        try:
            with ExitStack() as stack, quiet_ray():
                wait_for_folder(stack, Path(job.folder) / DRIVER_FOLDER)
                self.drive(job, pictures)
        except LockedError as error:
            return LockedError(str(error.args[0]), "its client has disconnected; try again in a minute")
        except ZooError as error:
            return error
        return None

    def drive(self, job: RemoteJob, pictures: dict[str, Any]) -> None:
        """Run the engine on the study's file, which only this process has open."""
        entry = replace(restore_entry(job.entry), tune=job.spec)
        ledger = Ledger(Path(job.folder), entry, job.spec, job.space, job.starts)
        engine = Engine(ledger, job.cluster, self, self.stop, job.command, job.seconds, job.confirm)
        engine.clear()
        try:
            with write_errors(ledger.folder):
                engine.run_all(pictures)
        except TrialsStillRunning:
            engine.raise_reason()
        finally:
            engine.clear()
            ledger.close()

    def take_events(self, code: int) -> list[tuple[Any, ...]]:
        """Return the events since the last call; `code` is the exit code of the client's Stop."""
        self.last_call = time.monotonic()
        self.stop.asked = self.stop.asked or code
        return [self.events.popleft() for _ in range(len(self.events))]

    def begin(self, study: Study, parallel: int) -> None:
        """Queue the event for the client."""
        self.known = {trial.number: trial for trial in study.trials}
        self.events.append(("begin", study, parallel))

    def update(self, study: Study, trial: Trial) -> None:
        """Queue the trials that changed."""
        changed = [each for each in study.trials if self.known.get(each.number) is not each]
        self.known |= {each.number: each for each in changed}
        self.events.append(("update", changed, trial.number))

    def tick(self) -> None:
        """Stop once the client is gone."""
        if time.monotonic() > self.last_call + CLIENT_TIMEOUT:
            self.stop.asked = self.stop.asked or 130

    def note(self, text: str) -> None:
        """Queue the event for the client."""
        self.events.append(("note", text))
