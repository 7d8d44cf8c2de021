"""The engine at a ray:// address: Ray Tune runs in an actor on the cluster, which the process here follows."""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.core.errors import LockedError, MissingError, ResourceError, ZooError, one_line
from zoo.core.sections import TuneSpec
from zoo.core.version import __version__
from zoo.registry.catalog import catalog
from zoo.registry.entry import restore
from zoo.registry.search.space import Space
from zoo.training.signals import Stop
from zoo.tuning.callbacks import Nobody
from zoo.tuning.cluster import Place, cluster, quiet
from zoo.tuning.engine import SAVING, Engine, Impatient
from zoo.tuning.ledger import Ledger
from zoo.tuning.storage import writing
from zoo.tuning.study import Study, Trial
from zoo.tuning.trial_worker import look, wait_for

SCHEME = "ray://"
POLL = 0.2
"""Seconds between two looks at what the cluster tells."""
GRACE = 2.0
"""Seconds more than it needs that the driver there has to say that its trials are saved."""
SILENCE = 30.0
"""Seconds after which the driver there takes it that nobody follows it any more."""
HEAD = {"node:__internal_head__": 0.001}
"""The machine of a cluster that stays."""
FOLDER = ".driver"
"""Held by the driver on the cluster: one whose client was killed may live for some seconds more."""


@dataclass(frozen=True)
class Job:
    """A call of `zoo tune` as plain data."""

    folder: str
    entry: dict[str, Any]
    spec: TuneSpec
    space: Space
    place: Place
    command: str
    seconds: float | None


class Distant(Engine):
    """An engine that lets another one work on the cluster; the study's file is closed here meanwhile."""

    shown: Study

    def run(self) -> None:
        """All trials that are still to do."""
        if find_spec("grpc") is None:
            raise MissingError("an address with ray:// needs Ray Client", 'pip install "ray[client]"')
        logging.getLogger("ray.util.client").setLevel(logging.CRITICAL)
        self.ledger.close()
        try:
            with ThreadPoolExecutor(1) as thread, quiet():
                pictures = thread.submit(look, self.ledger.entry.data)
                with cluster(self.place):
                    driver = self.driver()
                    self.follow(driver, self.wait(pictures))
        finally:
            self.ledger.connect()

    def driver(self) -> Any:
        """An actor on the cluster, which has this zoo and sees the study's folder; ZooError otherwise."""
        import ray

        folder = self.ledger.folder
        try:
            driver: Any = ray.remote(Driver).options(num_cpus=0, resources=HEAD, max_concurrency=2).remote()
            version, lock = self.wait(driver.see.remote(str(folder)).future())
        except (ray.exceptions.RayError, ImportError) as error:
            text = f"the cluster cannot run the zoo: {one_line(str(error))[-200:]}"
            raise MissingError(text, f"install pixel-zoo {__version__} on all its machines") from error
        if version != __version__:
            raise MissingError(f"the cluster has pixel-zoo {version}, and here is {__version__}", "install the same")
        if lock != (folder / "lock.json").read_text(encoding="utf-8"):
            raise ResourceError(f"the cluster does not see {folder}", "name a folder on a shared disk with --storage")
        return driver

    def follow(self, driver: Any, pictures: dict[str, Any]) -> None:
        """Start the engine there, and tell the watch what happens until it ends."""
        import ray

        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        ledger = self.ledger
        job = Job(str(ledger.folder), ledger.entry.dump(), ledger.spec, ledger.space, self.place, self.command, left)
        try:
            ended = driver.run.remote(job, ray.put(pictures)).future()
            while not ended.done() and self.patient():
                self.watch.tick()
                self.replay(ray.get(driver.news.remote(self.stop.code)))
                time.sleep(POLL)
            if not ended.done():
                self.conclude()
            self.replay(ray.get(driver.news.remote(self.stop.code)))
            error = ended.result()
        except (ray.exceptions.RayActorError, ConnectionError) as lost:
            text = f"the cluster was lost: {one_line(str(lost))[:200]}"
            raise ResourceError(text, f"go on with: {self.command}") from lost
        if error is not None:
            raise error

    def patient(self) -> bool:
        """Whether there is time left for the trials to save their state."""
        if self.stop.code and self.asked_at is None:
            self.asked_at = time.monotonic()
        return self.asked_at is None or time.monotonic() < self.asked_at + SAVING + GRACE

    def replay(self, news: list[tuple[Any, ...]]) -> None:
        """Tell the watch what the driver was told."""
        for what, *about in news:
            if what == "note":
                self.watch.note(*about)
            elif what == "begin":
                self.shown = about[0]
                self.watch.begin(*about)
            else:
                trials = {trial.number: trial for trial in [*self.shown.trials, *about[0]]}
                self.shown = replace(self.shown, trials=[trials[number] for number in sorted(trials)])
                self.watch.update(self.shown, trials[about[1]])


class Driver(Nobody):
    """On the cluster: it runs the engine in one thread, and gives the client the news in another."""

    def __init__(self) -> None:
        self.told: deque[tuple[Any, ...]] = deque()
        self.known: dict[int, Trial] = {}
        self.stop, self.heard = Stop(), time.monotonic()

    def see(self, folder: str) -> tuple[str, str | None]:
        """The version of the zoo, and who holds the study's folder as seen from here."""
        try:
            return __version__, (Path(folder) / "lock.json").read_text(encoding="utf-8")
        except OSError:
            return __version__, None

    def run(self, job: Job, pictures: dict[str, Any]) -> ZooError | None:
        """Run the engine; what it raises is given back as it is, which Ray would wrap."""
        try:
            with ExitStack() as stack, quiet():
                wait_for(stack, Path(job.folder) / FOLDER)
                self.drive(job, pictures)
        except LockedError as error:
            return LockedError(str(error.args[0]), "its client is gone; try again in a minute")
        except ZooError as error:
            return error
        return None

    def drive(self, job: Job, pictures: dict[str, Any]) -> None:
        """The engine over the study's file, which is open here alone."""
        entry = replace(restore(catalog(), job.entry), tune=job.spec)
        ledger = Ledger(Path(job.folder), catalog(), entry, job.spec, job.space)
        engine = Engine(ledger, job.place, self, self.stop, job.command, job.seconds)
        engine.sweep()
        try:
            with writing(ledger.folder):
                engine.tune(pictures)
        except Impatient:
            engine.conclude()
        finally:
            engine.sweep()
            ledger.close()

    def news(self, code: int) -> list[tuple[Any, ...]]:
        """What happened since the last call; `code` is that of the client's Stop."""
        self.heard = time.monotonic()
        self.stop.asked = self.stop.asked or code
        return [self.told.popleft() for _ in range(len(self.told))]

    def begin(self, study: Study, parallel: int) -> None:
        """Keep it for the client."""
        self.known = {trial.number: trial for trial in study.trials}
        self.told.append(("begin", study, parallel))

    def update(self, study: Study, trial: Trial) -> None:
        """Keep the trials that changed."""
        changed = [each for each in study.trials if self.known.get(each.number) is not each]
        self.known |= {each.number: each for each in changed}
        self.told.append(("update", changed, trial.number))

    def tick(self) -> None:
        """Stop where nobody listens."""
        if time.monotonic() > self.heard + SILENCE:
            self.stop.asked = self.stop.asked or 130

    def note(self, text: str) -> None:
        """Keep it for the client."""
        self.told.append(("note", text))
