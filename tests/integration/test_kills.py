"""Trainings and studies that are killed at any moment lose nothing and leave no process behind.

`ZOO_KILLS=100 pytest -s tests/integration/test_kills.py` kills a hundred times, and prints what was measured.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from drivers import PROC, Driver, name

import zoo
from zoo.core.errors import ZooError
from zoo.runs.metrics_log import read_rows
from zoo.training.checkpoint import StateFolder
from zoo.tuning.study import ENDED_STATES
from zoo.tuning.study_folder import open_study

KILLS = int(os.environ.get("ZOO_KILLS", "3"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600 + 120 * KILLS),
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc"),
]
MOMENTS = ("early", "middle", "late")
START = 3.0
"""Seconds after a start that count as early."""
SMALL = ("model.blocks=2", "model.first=4", "model.last=8", "model.head=1", "data.limit=300", "train.batch=50")
EPOCHS, STUDY_EPOCHS, TRIALS = 12, 3, 3


class Job:
    """A training or a study that is started, killed and resumed until it is done."""

    command = ""

    def __init__(self, number: int) -> None:
        self.path = Path(f"runs/{self.command}-{number}")
        self.kept: list[int] = []

    def arguments(self) -> list[str]:
        """The words that start it and resume it."""
        raise NotImplementedError

    def progress(self) -> list[int]:
        """What a kill must not take back, as numbers that never decrease."""
        raise NotImplementedError

    def begun(self, driver: Driver) -> bool:
        """Whether the early part is over."""
        raise NotImplementedError

    def ending(self) -> bool:
        """Whether it is near its end."""
        raise NotImplementedError

    def check(self) -> None:
        """It is whole, as if nobody had disturbed it."""
        raise NotImplementedError

    def driver(self) -> Driver:
        """Start it, or resume it."""
        return Driver(*self.arguments(), log=Path("log.txt"), command=self.command)

    def finish(self) -> None:
        """Run it to its end."""
        with self.driver() as driver:
            assert driver.finish(600) == 0, driver.said()

    def check_progress(self) -> None:
        """Nothing is lost that was there before."""
        now = self.progress()
        assert len(now) >= len(self.kept), (self.kept, now)
        assert all(new >= old for new, old in zip(now, self.kept, strict=False)), (self.kept, now)
        self.kept = now


class Training(Job):
    """A training of `cnn`."""

    command = "train"

    def arguments(self) -> list[str]:
        return ["cnn", *SMALL, f"train.epochs={EPOCHS}", "train.save_seconds=0.05", f"--out={self.path}"]

    def progress(self) -> list[int]:
        try:
            if zoo.load(self.path).state == "done":
                return [EPOCHS]
        except ZooError:
            return [0]  # it was killed before there was a run
        saved = StateFolder(self.path / "state", 0).load()
        return [saved[1]["rows"] if saved else 0]

    def begun(self, driver: Driver) -> bool:
        return (self.path / "state" / "manifest.json").exists()

    def ending(self) -> bool:
        path = self.path / "metrics.jsonl"
        return path.exists() and path.read_bytes().count(b"\n") >= EPOCHS - 1

    def check(self) -> None:
        calm = Training(0)
        if not calm.path.exists():
            calm.finish()
        mine, theirs = zoo.load(self.path), zoo.load(calm.path)
        assert mine.record["weights_sha256"] == theirs.record["weights_sha256"]
        assert mine.log() == theirs.log()
        assert not (self.path / "state").exists() or not list((self.path / "state").iterdir())


class Search(Job):
    """A study of `cnn`."""

    command = "tune"

    def arguments(self) -> list[str]:
        options = [f"train.epochs={STUDY_EPOCHS}", f"--trials={TRIALS}", "--parallel=2", "tune.attempts=50"]
        return ["cnn", *SMALL, *options, f"--name={self.path.name}"]

    def progress(self) -> list[int]:
        try:
            trials = open_study(self.path).trials
        except ZooError:
            return []
        return [STUDY_EPOCHS + 1 if trial.state in ENDED_STATES else trial.epoch for trial in trials]

    def begun(self, driver: Driver) -> bool:
        driver.note()
        return any("raylet" in name(number) for number, _ in driver.left())

    def ending(self) -> bool:
        ended = [each for each in self.progress() if each > STUDY_EPOCHS]
        return len(ended) >= TRIALS - 1

    def check(self) -> None:
        study = open_study(self.path)
        assert [trial.number for trial in study.trials] == list(range(TRIALS))
        assert all(trial.state in ENDED_STATES for trial in study.trials), study.counts
        assert not set(study.counts) & {"failed", "hung", "crashed"}, study.counts
        for trial in study.trials:
            epochs = [row["epoch"] for row in read_rows(trial.run / "metrics.jsonl")]
            assert epochs == list(range(1, trial.epoch + 1))
        best = study.best
        assert best and zoo.load(best.run).state == "done"


class Killer:
    """Starts jobs of one kind and kills them; where one is done the next begins."""

    def __init__(self, kind: type[Job], draw: random.Random) -> None:
        self.kind, self.draw, self.jobs = kind, draw, [kind(1)]
        self.outlived: dict[str, list[float]] = defaultdict(list)

    def kill(self, moment: str) -> None:
        """Kill at such a moment; a job that is done before is followed by another one."""
        while not self.killed(self.jobs[-1], moment):
            self.jobs.append(self.kind(len(self.jobs) + 1))

    def killed(self, job: Job, moment: str) -> bool:
        """Start or resume a job and kill it; False if it was done first."""
        with job.driver() as driver:
            for _ in self.wait(job, driver, moment):
                if driver.process.poll() is not None:
                    assert driver.process.returncode == 0, driver.said()
                    return False
                time.sleep(0.02)
            if driver.process.poll() is not None:
                assert driver.process.returncode == 0, driver.said()
                return False
            (driver.kill if self.draw.random() < 0.3 else driver.kill_alone)()
            self.outlived[moment].append(driver.gone())
        print(f"{self.kind.command} {moment}: {self.outlived[moment][-1]:.1f} s", flush=True)
        job.check_progress()
        return True

    def wait(self, job: Job, driver: Driver, moment: str) -> Iterator[None]:
        """Yield until the moment has come."""
        seconds = self.draw.uniform(0, START if moment == "early" else 5 if moment == "middle" else 1.5)
        while (moment == "middle" and not job.begun(driver)) or (moment == "late" and not job.ending()):
            yield
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield


def test_kills_at_all_moments_lose_nothing_and_leave_nobody() -> None:
    draw = random.Random(KILLS)
    killers = [Killer(Training, draw), Killer(Search, draw)]
    for number in range(KILLS):
        killers[number % 2].kill(MOMENTS[number % 3])
    for killer in killers:
        for job in killer.jobs if killer.outlived else []:
            job.finish()
            job.check_progress()
            job.check()
        tell(killer)


def tell(killer: Killer) -> None:
    """Print what was measured."""
    for moment, seconds in killer.outlived.items():
        times = f"median {median(seconds):.1f} s, longest {max(seconds):.1f} s until no process was left"
        print(f"{killer.kind.command}: {len(seconds)} kills {moment}, {len(killer.jobs)} jobs; {times}")
