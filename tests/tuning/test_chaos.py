"""Drivers and workers that are killed or stopped at any moment lose nothing, do nothing twice and leave nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import optuna
import pytest
import toys
from drivers import PROC, Driver
from optuna.trial import FrozenTrial, TrialState

import zoo
from zoo.cli import main
from zoo.runs.metrics_log import read_rows
from zoo.training.checkpoint import StateFolder
from zoo.tuning.study_folder import open_study

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc")]
STUDY = Path("runs/toy-study")
TRIALS, EPOCHS, STEPS = 8, 5, 5
WORDS = ("toy", "model.how=fine", f"train.epochs={EPOCHS}", "tune.attempts=20")


@pytest.fixture(autouse=True)
def toy(install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin, with steps that take their time, and the folder in which it writes each of them down."""
    toys.place(install)
    monkeypatch.setenv("ZOO_TOY", str(tmp_path))
    monkeypatch.setenv("ZOO_TOY_PAUSE", "0.2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


class Step(NamedTuple):
    """A step that was begun: of which trial, which, and by which process."""

    mark: float
    number: int
    process: int


def steps(toy: Path) -> list[Step]:
    """All steps in the order in which they were begun."""
    if not (toy / "steps.txt").exists():
        return []
    rows = [line.split() for line in (toy / "steps.txt").read_text(encoding="utf-8").splitlines()]
    return [Step(float(mark), int(number), int(process)) for mark, number, process in rows]


def optuna_trials(study: Path) -> list[FrozenTrial]:
    """The trials as anybody reads them who has Optuna alone; none where there is no study yet."""
    if not (study / "study.db").is_file():
        return []
    with tempfile.TemporaryDirectory() as folder:  # a copy, since Optuna finishes what is half made
        copy(study, Path(folder))
        try:
            return optuna.load_study(storage=f"sqlite:///{folder}/study.db", study_name="study").trials
        except KeyError:
            return []


def copy(study: Path, folder: Path) -> None:
    """The database as it is at one moment: whoever writes to it meanwhile makes and removes a journal beside it."""
    while True:
        before = stamps(study)
        for file in study.glob("study.db*"):
            with suppress(FileNotFoundError):
                shutil.copy(file, folder)
        if before == stamps(study):
            return
        for file in folder.iterdir():
            file.unlink()


def stamps(study: Path) -> list[tuple[str, int, int]]:
    """What is another once the database was written to."""
    found = []
    for file in sorted(study.glob("study.db*")):
        with suppress(FileNotFoundError):
            found.append((file.name, file.stat().st_mtime_ns, file.stat().st_size))
    return found


def saved(study: Path) -> dict[float, int]:
    """From which step each trial goes on that has a saving, by its mark."""
    found = {}
    for each in optuna_trials(study):
        state = StateFolder(study / "trials" / f"t{each.number:05d}" / "state", 0).load()
        if state is not None:
            progress = state[1]["progress"]
            found[each.params["model.mark"]] = int(progress["epoch"] * STEPS + progress["step"])
    return found


class Moment(NamedTuple):
    """When something was killed: how many steps had been begun, and from where each trial had to go on that ran."""

    begun: int
    places: dict[float, int]


class Chaos:
    """Studies of which drivers and workers are killed, one study after the other."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.studies = [Path("runs/chaos-1")]
        self.moments: list[Moment] = []
        self.opened: list[float] = []
        self.outlived: list[float] = []

    def arguments(self) -> list[str]:
        """The command that goes on with the newest study."""
        return [*WORDS, f"--trials={TRIALS}", f"--name={self.studies[-1].name}"]

    def run(self, early: bool, workers: int = 0) -> None:
        """Start a driver, and kill workers and then all of it at random moments; where it is done another is next."""
        if self.over():
            self.studies.append(Path(f"runs/chaos-{len(self.studies) + 1}"))
        with Driver(*self.arguments(), log=Path("log.txt")) as driver:
            if not early:
                self.opened.append(driver.hear(f"{TRIALS} trials"))
            for _ in range(workers):
                self.kill_worker(driver)
            time.sleep(self.random.uniform(0, 5 if early else 8))
            if driver.process.poll() == 0:
                return
            driver.kill()
            self.outlived.append(driver.gone())
        self.note({step.mark for step in steps(self.folder)})

    def over(self) -> bool:
        """Whether the newest study is done."""
        return sum(trial.state == TrialState.COMPLETE for trial in optuna_trials(self.studies[-1])) == TRIALS

    def kill_worker(self, driver: Driver) -> None:
        """Kill a process that runs a trial, after a random time."""
        begun = len(steps(self.folder))
        while not (busy := {step.process for step in steps(self.folder)[begun:]}.intersection(driver.workers())):
            assert driver.process.poll() is None, driver.said()
            time.sleep(0.1)
        time.sleep(self.random.uniform(0, 2))
        killed = self.random.choice(sorted(busy))
        os.kill(killed, signal.SIGKILL)
        self.note({[step.mark for step in steps(self.folder) if step.process == killed][-1]})

    def note(self, marks: set[float]) -> None:
        """Remember from where these trials must go on."""
        places = saved(self.studies[-1])
        self.moments.append(Moment(len(steps(self.folder)), {mark: places.get(mark, 0) for mark in marks}))


def test_kills_at_any_moment_lose_nothing(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chaos = Chaos(toy, seed=3)
    chaos.run(early=False, workers=3)
    turns = [True] * 2 + [False] * 2
    chaos.random.shuffle(turns)
    for early in turns:
        chaos.run(early)
    while len(chaos.outlived) < 5:
        chaos.run(early=False)
    with Driver(*chaos.arguments(), log=Path("log.txt")) as driver:
        assert driver.finish() == 0, driver.said()
        driver.note()
        chaos.outlived.append(driver.gone())
    repeated = check_steps(chaos)
    monkeypatch.setenv("ZOO_TOY_PAUSE", "0")
    monkeypatch.setenv("ZOO_TOY", str(toy / "work"))
    with Driver(*WORDS, f"--trials={TRIALS}", "--name=calm", log=Path("calm.txt")) as driver:
        assert driver.finish() == 0, driver.said()
    for study in chaos.studies:
        check_study(study)
    tell(chaos, repeated)


def check_steps(chaos: Chaos) -> int:
    """Each trial went on exactly where it was saved, and no step is missing; returns how many were taken again."""
    taken = steps(chaos.folder)
    for moment in chaos.moments:
        after = first_steps(taken[moment.begun :])
        for mark, place in moment.places.items():
            assert after.get(mark, place) == place, (mark, moment)
    each = {(step.mark, step.number) for step in taken}
    marks = {step.mark for step in taken}
    assert each == {(mark, number) for mark in marks for number in range(EPOCHS * STEPS)}
    return len(taken) - len(each) * len(chaos.studies)


def check_study(study: Path) -> None:
    """The budget is exact, every figure is there once, and the weights are those of a study that nobody disturbed."""
    trials, ours, calm = optuna_trials(study), open_study(study), open_study(Path("runs/calm"))
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert ours.counts == calm.counts == {"done": TRIALS}
    for trial, mine, theirs in zip(trials, ours.trials, calm.trials, strict=True):
        rows = read_rows(mine.run / "metrics.jsonl")
        assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
        assert {row["epoch"]: row["valid"]["loss"] for row in rows} == trial.intermediate_values
        assert mine.config == theirs.config
        assert zoo.load(mine.run).record["weights_sha256"] == zoo.load(theirs.run).record["weights_sha256"]


def tell(chaos: Chaos, repeated: int) -> None:
    """Print what was measured."""
    total = len(steps(chaos.folder))
    print(f"{len(chaos.moments)} kills, {len(chaos.studies)} studies; {repeated} of {total} steps taken again")
    print("seconds until no process was left:", *(f"{each:.1f}" for each in sorted(chaos.outlived)))
    print("seconds to open, imports included:", *(f"{each:.1f}" for each in chaos.opened))


def test_signals_save_all_trials_which_go_on_later(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_TOY_PAUSE", "1")
    stop_and_look(toy, signal.SIGINT, os.kill, "2 trials")
    stop_and_look(toy, signal.SIGINT, os.killpg, "2 resume from checkpoints")
    stop_and_look(toy, signal.SIGTERM, os.kill, "2 resume from checkpoints")
    monkeypatch.setenv("ZOO_TOY_PAUSE", "0")
    before, places = len(steps(toy)), saved(STUDY)
    with Driver(*WORDS, "--trials=2", log=Path("log.txt")) as driver:
        assert driver.finish() == 0, driver.said()
    assert "2 resume from checkpoints" in driver.said()
    assert open_study(STUDY).counts == {"done": 2}
    assert first_steps(steps(toy)[before:]) == places
    assert len(steps(toy)) == 2 * EPOCHS * STEPS


def stop_and_look(toy: Path, number: signal.Signals, send: Callable[[int, int], None], greeting: str) -> None:
    """Ask a study to stop while both trials are at work; each goes on where it was saved before."""
    before, places = len(steps(toy)), saved(STUDY)
    with Driver(*WORDS, "--trials=2", log=Path("log.txt")) as driver:
        driver.hear(greeting)
        wait_for_steps(toy, driver, before)
        driver.note()
        asked = time.monotonic()
        send(driver.process.pid, number)
        assert driver.finish(30) == 128 + number, driver.said()
        assert time.monotonic() < asked + 10
        driver.gone()
    assert "stopping: " in driver.said()
    assert "Resume with: python -m zoo tune toy" in driver.said()
    study, first = open_study(STUDY), first_steps(steps(toy)[before:])
    assert study.counts == {"waiting": 2}
    assert {zoo.load(trial.run).state for trial in study.trials} == {"interrupted"}
    assert first == (places or dict.fromkeys(first, 0))


def first_steps(taken: list[Step]) -> dict[float, int]:
    """The number of each trial's first step among these, by the trial's mark."""
    return {step.mark: step.number for step in reversed(taken)}


def wait_for_steps(toy: Path, driver: Driver, before: int = 0) -> None:
    """Wait until two trials are at work, after so many steps of all."""
    while len(first_steps(steps(toy)[before:])) < 2:
        assert driver.process.poll() is None, driver.said()
        time.sleep(0.1)


def test_a_second_driver_hears_who_holds_the_study_and_a_second_signal_ends_it(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_TOY_PAUSE", "1000")
    with Driver(*WORDS, "--trials=2", log=Path("log.txt")) as driver:
        driver.hear("2 trials")
        wait_for_steps(toy, driver)
        assert main(["tune", *WORDS, "--trials=2"]) == 6
        assert f"in use by pid {driver.process.pid} on {socket.gethostname()}" in capsys.readouterr().err
        os.kill(driver.process.pid, signal.SIGINT)
        driver.hear("stopping: ")
        driver.note()
        os.kill(driver.process.pid, signal.SIGINT)
        assert driver.finish(30) == 130, driver.said()
        driver.gone()


CLUSTER = """
import threading
import zoo
from ray.cluster_utils import Cluster
from zoo.tuning.callbacks import TuneCallback

class Losses(TuneCallback):
    lost = False
    def update(self, study, trial):
        if study.ended >= 2 and not self.lost:
            self.lost = True
            cluster.remove_node(node, allow_graceful=False)
    def __reduce__(self):
        return TuneCallback, ()

if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    callback = Losses()
    options = {"trials": 8, "address": cluster.address}
    study = zoo.tune("toy", "model.how=fine", "train.epochs=EPOCHS", callback=callback, **options)
    print(study.counts, callback.lost, max(trial.attempts for trial in study.trials))
    cluster.shutdown()
"""


def test_a_cluster_that_loses_a_machine_loses_no_trial(toy: Path) -> None:
    Path("cluster.py").write_text(CLUSTER.replace("EPOCHS", str(EPOCHS)), encoding="utf-8")
    done = subprocess.run([sys.executable, "cluster.py"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("{'done': 8} True "), done.stdout
    check_once(toy)


def check_once(toy: Path) -> None:
    """Every step of every trial was taken."""
    marks = {step.mark for step in steps(toy)}
    assert len(marks) == 8
    assert {(step.mark, step.number) for step in steps(toy)} == {(m, n) for m in marks for n in range(EPOCHS * STEPS)}
