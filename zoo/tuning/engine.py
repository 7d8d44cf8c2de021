"""The engine: Ray Tune runs the trials of a ledger until the budget, the time or somebody says stop."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from zoo.core.errors import InterruptedRun, ResourceError, ZooError
from zoo.core.files import remove, write_text
from zoo.training.signals import Stop
from zoo.tuning.callbacks import TuneWatch
from zoo.tuning.cluster import Place, cluster, quiet
from zoo.tuning.ledger import Ledger
from zoo.tuning.objective import figure
from zoo.tuning.study import Trial
from zoo.tuning.trial_worker import STOP, Order, look, smallest_model
from zoo.tuning.trial_worker import trial as trial_in_worker

SHARE = 0.25
"""Of a GPU, for a trial: small models leave most of one idle."""
SAVING = 10.0
"""Seconds that trials have to save their state when the study is stopped."""


@dataclass
class Engine:
    """One call of `zoo tune`, with the folder held."""

    ledger: Ledger
    place: Place
    watch: TuneWatch
    stop: Stop
    command: str
    seconds: float | None = None
    """Stop after so long; what runs then goes on next time."""

    def __post_init__(self) -> None:
        self.deadline = None if self.seconds is None else time.monotonic() + self.seconds
        self.asked_at: float | None = None

    def run(self) -> None:
        """All trials that are still to do."""
        self.sweep()
        try:
            # Reading pictures and starting Ray take about as long, and neither keeps a core busy.
            with ThreadPoolExecutor(1) as thread, quiet():
                pictures = thread.submit(look, self.ledger.entry.data)
                with cluster(self.place):
                    self.tune(self.wait(pictures))
        finally:
            self.sweep()

    def sweep(self) -> None:
        """Throw away what Ray wrote, and the wish to stop."""
        remove(self.ledger.folder / STOP)
        shutil.rmtree(self.ledger.folder / ".ray", ignore_errors=True)

    def tune(self, pictures: dict[str, Any]) -> None:
        """Hand the searcher to Ray Tune."""
        import ray
        from ray import tune

        from zoo.tuning.asha import StudyASHA
        from zoo.tuning.searcher import StudySearcher

        if self.ledger.spec.max_params and not self.ledger.trials:
            self.check_budget(pictures["info"], self.ledger.spec.max_params)
        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.resources = self.share(total)
        slots = self.slots(total)
        self.searcher = StudySearcher(self.ledger, self.order, self.changed)
        self.watch.begin(self.ledger.study, slots)
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(trial_in_worker, pictures=pictures), tune.PlacementGroupFactory([self.resources])
            ),
            tune_config=tune.TuneConfig(
                search_alg=self.searcher,
                scheduler=StudyASHA(self.searcher),
                num_samples=-1,
                max_concurrent_trials=slots,
                reuse_actors=True,
                trial_name_creator=name,
                trial_dirname_creator=name,
            ),
            run_config=tune.RunConfig(
                name="ray",
                storage_path=str(self.ledger.folder / ".ray"),
                verbose=0,
                callbacks=[ticker(self)],
                progress_reporter=tune.CLIReporter(),  # says nothing; that of notebooks clears the cell's output
            ),
        )
        tuner.fit()
        self.conclude()

    def conclude(self) -> None:
        """Raise what the study was stopped for."""
        if self.stop.code:
            raise InterruptedRun(f"stopped; every trial is saved. Go on with: {self.command}", self.stop.code)
        if self.searcher.trouble:
            raise self.searcher.trouble

    def wait(self, future: Future[Any]) -> Any:
        """What a thread gives, while somebody may ask to stop."""
        while not future.done():
            self.watch.tick()
            if self.stop.code:
                raise InterruptedRun(f"stopped before the first trial. Go on with: {self.command}", self.stop.code)
            time.sleep(0.05)
        return future.result()

    def check_budget(self, info: dict[str, Any], limit: int) -> None:
        """Raise ZooError where even the smallest model of the space has too many parameters.

        It is looked for in a process of its own, since plugins build models there.
        """
        import ray

        task = ray.remote(num_cpus=0, max_retries=0)(smallest_model)
        try:
            found = self.wait(task.remote(self.ledger.entry.dump(), self.ledger.space, info).future())
        except ray.exceptions.RayError:
            return  # what breaks here breaks in the trials too, and is told there
        if found and found[0] > limit:
            options = ", ".join(f"{key}={value}" for key, value in found[1].items())
            text = (
                f"the smallest {self.ledger.entry.name} of the space has {found[0]:,} parameters, more than {limit:,}"
            )
            raise ZooError(text, f"it has {options}; raise the budget, or widen tune.space")

    def share(self, total: dict[str, float]) -> dict[str, float]:
        """CPU cores and GPUs of one trial; raises ResourceError where no machine has as much."""
        spec = self.ledger.spec
        if self.place.device.startswith("cuda") and not total.get("GPU"):
            raise ZooError(f"there is no GPU for the device {self.place.device}", "use --device auto")
        gpus = spec.gpus if spec.gpus is not None else SHARE
        wanted = {
            "CPU": spec.cpus,
            "GPU": gpus if total.get("GPU") and self.place.device != "cpu" else spec.gpus or 0.0,
        }
        for what, many in wanted.items():
            if many > total.get(what, 0.0):
                text = f"a trial wants {many:g} {what}, and there are {total.get(what, 0.0):g}"
                raise ResourceError(text, f"set tune.{what.lower()}s lower")
        return {what: many for what, many in wanted.items() if many}

    def slots(self, total: dict[str, float]) -> int:
        """How many trials run at a time."""
        fitting = max(1, min(int(total[what] / many + 1e-9) for what, many in self.resources.items()))
        return min(fitting, self.place.parallel or fitting)

    def order(self, trial: Trial, entry: dict[str, Any]) -> Order:
        """A trial as plain data."""
        spec = self.ledger.spec
        on_gpu = self.resources.get("GPU") or self.place.device not in ("auto", "cuda")
        return Order(
            number=trial.number,
            entry=entry,
            folder=str(self.ledger.folder),
            run=str(trial.run),
            known=trial.epoch,
            figure=figure(spec),
            max_params=spec.max_params,
            device=self.place.device if on_gpu else "cpu",
            patience=spec.patience,
            command=self.command,
        )

    def changed(self, trial: Trial) -> None:
        """Tell the watch."""
        self.watch.update(self.ledger.study, trial)

    def step(self) -> None:
        """Called by Ray Tune's loop: look at the clock and at whether to stop; raises where trials do not stop."""
        self.watch.tick()
        now = time.monotonic()
        late = self.deadline is not None and now > self.deadline
        if self.asked_at is None and (self.stop.code or late or self.searcher.stopping):
            self.asked_at, self.searcher.stopping = now, True
            write_text(self.ledger.folder / STOP, "")
            if self.stop.code:
                self.watch.note(f"stopping: {len(self.searcher.live)} trials save their state (again: at once)")
        if self.asked_at is not None and now > self.asked_at + SAVING:
            raise Impatient


class Impatient(Exception):  # noqa: N818 - not a fault, but the way out of Ray Tune's loop
    """Trials did not stop in time; they will go on from their last checkpoint."""


def name(trial: Any) -> str:
    """What Ray calls a trial and its folder."""
    return f"t{trial.config['number']:05d}"


def ticker(engine: Engine) -> Any:
    """A callback of Ray Tune that is called in each round of its loop."""
    from ray.tune import Callback

    class Ticker(Callback):
        def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
            engine.step()

        def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
            return Callback, ()  # Ray Tune keeps a copy on disk, and a terminal can't be pickled

    return Ticker()
