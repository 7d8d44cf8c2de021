"""A time in place of a number of epochs: how it is used and shared, the schedule by the clock, and what is shown."""

from __future__ import annotations

import io
import json
import signal
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import zoo
from zoo.cli import main
from zoo.cli.console import Screen
from zoo.cli.views.progress import ProgressBarCallback, ProgressLines
from zoo.core.errors import InterruptedRun, ZooError
from zoo.core.files import digest, write_json
from zoo.core.sections import TrainSpec
from zoo.core.types import Batch, DataInfo, Losses
from zoo.data.dataset import Pictures, Splits
from zoo.models.base import Model, Stage
from zoo.registry.listing import load_entry
from zoo.training.callbacks import Callback, StageInfo
from zoo.training.loop import TrainingJob, fit

Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("home")
SMALL = ("model.blocks=2", "model.first=4", "model.last=8", "model.head=1", "data.limit=300", "train.batch=50")


class Clock(Callback):
    """A clock that steps and validations move, so that no test depends on the machine; Ctrl-C at a step if asked to."""

    def __init__(self, step: float = 0.5, validation: float = 1.0, first: tuple[float, float] = (0.0, 0.0)) -> None:
        self.now, self.pace, self.validation, self.first = 100.0, step, validation, first
        self.steps = self.validations = self.interrupt_at = 0
        self.rates: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def step(self) -> None:
        self.steps += 1
        self.now += self.pace + (self.first[0] if self.steps == 1 else 0.0)
        if self.steps == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)

    def validated(self) -> None:
        self.validations += 1
        self.now += self.validation + (self.first[1] if self.validations == 1 else 0.0)


class Timed(Model):
    """Two stages whose loss is the number of the step, and whose validation takes its time on a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.first, self.second, self.clock = nn.Linear(4, 1), nn.Linear(4, 1), clock

    def one(self, batch: Batch) -> Losses:
        return {"one": self.told(self.first(batch.x.flatten(1)))}

    def two(self, batch: Batch) -> Losses:
        return {"two": self.told(self.second(batch.x.flatten(1)))}

    def told(self, out: Tensor) -> Tensor:
        return out.square().mean() * 0 + self.clock.steps

    def losses(self, batch: Batch) -> Losses:
        return self.one(batch)

    def metrics(self, batch: Batch) -> Losses:
        self.clock.validated()
        return {"loss": torch.ones(())}

    def stages(self) -> list[Stage]:
        return [Stage("codec", self.first, self.one), Stage("prior", self.second, self.two)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("zoo.training.loop.time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def job(clock: Clock, **options: Any) -> TrainingJob:
    """A training of 4 steps an epoch in the folder `run`."""
    Path("run").mkdir(exist_ok=True)
    pictures = Pictures(torch.zeros(64, 1, 2, 2, dtype=torch.uint8), torch.arange(64) % 2)
    splits = Splits(pictures, pictures, pictures, DataInfo.of((1, 2, 2), ("a", "b")))
    spec = TrainSpec.model_validate({"batch": 16} | options)
    return TrainingJob(Timed(clock), splits, spec, Path("run"), torch.device("cpu"), None, clock)


def rows(stage: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    return [row for row in found if row["stage"] == stage]


def seconds(done: TrainingJob) -> dict[str, float]:
    """Train; how long each stage took by its steps and validations, and the whole."""
    clock = done.callback
    assert isinstance(clock, Clock)
    ends: list[tuple[str, float]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "epoch", lambda self, row: ends.append((row["stage"], self.now - 100)))
        fit(done)
    last = dict(ends)
    return {"codec": last["codec"], "prior": last["prior"] - last["codec"], "all": done.seconds}


def test_stages_share_the_time_in_proportion_to_their_epochs(clock: Clock) -> None:
    found = seconds(job(clock, minutes=4, stages={"codec": {"epochs": 10}, "prior": {"epochs": 30}}))
    assert found["all"] == pytest.approx(240, abs=1)
    assert found["codec"] == pytest.approx(60, abs=2)
    assert found["prior"] == pytest.approx(180, abs=2)


def test_a_stage_may_have_minutes_of_its_own(clock: Clock) -> None:
    found = seconds(job(clock, minutes=4, stages={"prior": {"minutes": 3}}))
    assert found["codec"] == pytest.approx(60, abs=2)
    assert found["all"] == pytest.approx(240, abs=1)


def test_a_stage_with_minutes_beside_one_with_epochs(clock: Clock) -> None:
    found = seconds(job(clock, epochs=5, stages={"prior": {"minutes": 1}}))
    assert found == pytest.approx({"codec": 5 * (4 * 0.5 + 1), "prior": 60, "all": 75}, abs=2)
    assert [row["epoch"] for row in rows("codec")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "one-cycle"])
def test_the_learning_rate_follows_the_clock(clock: Clock, schedule: str) -> None:
    fit(job(clock, minutes=4, lr=1.0, warmup=0.3, schedule=schedule))
    for stage in ("codec", "prior"):
        rates = [row["lr"] for row in rows(stage)]
        top = rates.index(max(rates))
        assert rates[0] < rates[top] > 0.6
        assert rates[top:] == sorted(rates[top:], reverse=True)
        assert rates[-1] < 0.02
    # Now with steps that become four times as slow: what counts is the time.
    clock.pace, before = 2.0, clock.now
    fit(job(clock, minutes=4, lr=1.0, warmup=0.3, schedule=schedule))
    assert clock.now - before == pytest.approx(240, abs=4)
    assert rows("prior")[-1]["lr"] < 0.05


def test_the_last_epoch_may_be_a_part_of_one(clock: Clock) -> None:
    clock.pace = 7.0
    fit(job(clock, minutes=2, keep="last", stages={"codec": {"minutes": 1}}))
    assert clock.steps == 2 * 8 + 1, "the codec's 60 seconds hold 9 steps and 2 or 3 validations, the prior's likewise"
    assert [row["epoch"] for row in rows("codec")] == [1, 2, 3]
    assert rows("codec")[-1]["train"]["one"] == 8.0, "the mean of its only step"


def test_validations_take_a_small_share_of_the_time(clock: Clock) -> None:
    clock.pace, clock.validation = 0.3, 3.0
    fit(job(clock, minutes=4, stages={"prior": {"minutes": 0.5}}))
    told = rows("codec")
    assert 0.05 < len(told) * 3.0 / 210 < 0.13
    assert clock.steps > 0.8 * 240 / 0.3
    assert told[-1]["epoch"] > 140


def test_a_row_tells_of_all_steps_since_the_row_before(clock: Clock) -> None:
    clock.pace, clock.validation = 0.25, 3.0
    fit(job(clock, minutes=4, stages={"prior": {"minutes": 1}}))
    told = rows("codec")
    for before, row in pairwise(told[:-1]):
        assert row["train"]["one"] == pytest.approx((before["epoch"] * 4 + row["epoch"] * 4 - 1) / 2)


@pytest.mark.parametrize(("pace", "between"), [(0.001, 50), (0.125, 4), (2.0, 1)])
def test_the_device_has_at_most_half_a_second_in_store(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, pace: float, between: int
) -> None:
    looks: list[int] = []
    monkeypatch.setattr("zoo.training.loop.Stepper.check", lambda self, epoch, step: looks.append(clock.steps))
    clock.pace, clock.validation = pace, 200 * pace
    fit(job(clock, minutes=pace * 1200 / 60, stages={"prior": {"minutes": pace * 10 / 60}}))
    assert max(later - look for look, later in pairwise(looks)) == between


def test_what_waits_for_a_compiler_spoils_neither_schedule_nor_end(clock: Clock) -> None:
    clock.first = (30.0, 30.0)
    found = seconds(job(clock, minutes=4, lr=1.0, warmup=0.3, schedule="linear", stages={"prior": {"minutes": 1}}))
    assert rows("codec")[0]["lr"] < 0.2, "the warm-up begins after the first step"
    assert len(rows("codec")) > 5
    assert found["codec"] == pytest.approx(180, abs=2)
    assert found["all"] == pytest.approx(240, abs=1)


def test_a_step_is_taken_where_there_is_no_time(clock: Clock) -> None:
    fit(job(clock, minutes=1e-6))
    assert [row["epoch"] for row in rows("codec") + rows("prior")] == [1, 1]
    assert clock.steps == 2


@pytest.mark.parametrize("where", ["the first step", "the middle", "the codec's last", "the prior's first", "the last"])
def test_an_interrupted_training_goes_on_with_what_is_left(clock: Clock, where: str) -> None:
    codec: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "stage", lambda self, *_: codec.append(self.steps))
        fit(job(clock, minutes=2, lr=1.0))
    places = {"the first step": 1, "the middle": 30, "the codec's last": codec[1], "the prior's first": codec[1] + 1}
    stop = clock.interrupt_at = places.get(where, clock.steps)
    clock.steps, clock.now = 0, 100.0
    with pytest.raises(InterruptedRun):
        fit(job(clock, minutes=2, lr=1.0))
    assert clock.steps == stop
    clock.now += 1000
    again = job(clock, minutes=2, lr=1.0)
    fit(again)
    assert again.seconds == pytest.approx(120, abs=2)
    assert clock.now - 1100 == pytest.approx(120, abs=2)
    assert rows("codec")[-1]["lr"] < 0.02 > rows("prior")[-1]["lr"]


def test_a_real_training_takes_its_minutes_and_its_interruption_costs_none() -> None:
    class Pressed(Callback):
        steps = 0

        def step(self) -> None:
            self.steps += 1
            if self.steps == 10:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRun):
        zoo.train("cnn", *SMALL, "train.minutes=0.04", out="run", callback=Pressed())
    assert zoo.train("cnn", *SMALL, "train.minutes=0.04", out="run").epochs > 0
    run = zoo.load("run")
    assert run.state == "done"
    assert 1.5 < run.record["seconds"] < 60
    assert run.entry.train.minutes == 0.04


@pytest.mark.slow
def test_a_codec_and_its_prior_share_the_minutes(capsys: Capture) -> None:
    small = ["data.limit=200", "model.width=4", "prior.width=8", "prior.layers=1"]
    assert main(["train", "vq-vae", *small, "train.minutes=0.05", "--device", "cpu", "--out", "run"]) == 0
    err = capsys.readouterr().err
    assert "/00:0" in err
    assert {row["stage"] for row in zoo.load("run").log()} == {"codec", "prior"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minutes": 2, "stages": {"prior": {"minutes": 2}}}, r"train\.minutes=2 leaves no time for the stage 'codec'"),
        ({"minutes": 2, "stages": {"codec": {"minutes": 3}}}, "leaves no time for the stage 'prior'.* add up to 3"),
        (
            {"minutes": 2, "stages": {"codec": {"minutes": 0.5}, "prior": {"minutes": 0.5}}},
            r"train\.minutes=2, but the stages' own minutes add up to 1; remove train\.minutes",
        ),
    ],
)
def test_minutes_that_do_not_fit_are_refused(clock: Clock, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        fit(job(clock, **options))
    assert not clock.steps


def test_minutes_of_all_stages_that_fit_are_taken(clock: Clock) -> None:
    found = seconds(job(clock, minutes=2, stages={"codec": {"minutes": 0.5}, "prior": {"minutes": 1.5}}))
    assert found == pytest.approx({"codec": 30, "prior": 90, "all": 120}, abs=2)


def test_no_time_at_all_is_refused(capsys: Capture) -> None:
    assert main(["train", "cnn", "train.minutes=0"]) == 2
    assert "cnn.train.minutes: " in capsys.readouterr().err
    assert main(["train", "cnn", "train.stages.model.minutes=-1"]) == 2
    assert "cnn.train.stages.model.minutes: " in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize("word", ["train.minutes=1", "train.stages.model.minutes=1", "tune.space.train.minutes=1..3"])
def test_a_study_refuses_minutes_before_it_begins(word: str, capsys: Capture) -> None:
    assert main(["tune", "cnn", word, "--trials", "1"]) == 2
    assert "compares trials epoch by epoch" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_an_option_that_says_nothing_is_not_in_the_hash() -> None:
    plain = load_entry("cnn")
    assert plain.train.model_dump()["minutes"] is None
    assert (
        plain.hash()
        == load_entry("cnn", ["train.minutes=null"]).hash()
        != load_entry("cnn", ["train.minutes=1"]).hash()
    )


def test_a_run_from_before_there_were_minutes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pressed(Callback):
        def epoch(self, row: dict[str, Any]) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRun):
        zoo.train("cnn", *SMALL, "train.epochs=2", callback=Pressed())
    run = zoo.load("cnn-1")
    dumped = json.loads((run.path / "entry.json").read_text())
    del dumped["train"]["minutes"]
    write_json(run.path / "entry.json", dumped)
    run.update(entry_sha256=digest(dumped))
    assert zoo.load("cnn-1").entry.train.minutes is None
    done = zoo.train("cnn", *SMALL, "train.epochs=2")
    assert (done.run, done.epochs) == (Path("runs/cnn-1"), 2)


def test_plain_lines_show_the_time(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    now = [500.0]
    monkeypatch.setattr("zoo.cli.views.progress.time.monotonic", lambda: now[0])
    lines = ProgressLines(load_entry("cnn"), Screen())
    lines.stage(StageInfo("model", 0, 4, 0, 10, seconds=120.0, elapsed=10.0))
    for _ in range(10):
        now[0] += 6
        lines.step()
    lines.epoch({"epoch": 3, "train": {"loss": 0.5}, "valid": {"loss": 0.25}, "best": True})
    now[0] += 100
    lines.epoch({"epoch": 9, "train": {"loss": 0.5}, "valid": {"loss": 0.3}, "best": False})
    first, *_, last = [line for line in capsys.readouterr().err.splitlines() if "vloss" in line]
    assert " cnn epoch 3, 01:10/02:00: loss 0.5, vloss 0.25, best 0.25 @ 3, " in first
    assert " cnn epoch 9, 02:00/02:00: " in last
    assert "left" not in first + last


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bar_is_filled_by_time(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    now, out = [500.0], io.StringIO()
    monkeypatch.setattr("zoo.cli.views.progress.time.monotonic", lambda: now[0])
    bar = ProgressBarCallback(load_entry("cnn"), Screen())
    bar.stage(StageInfo("model", 0, 4, 0, 10, seconds=120.0, elapsed=10.0))
    for _ in range(10):
        now[0] += 5
        bar.step()
    bar.epoch({"epoch": 2, "train": {"loss": 0.5}, "valid": {"loss": 0.25}, "best": True})
    Console(file=out, width=width, force_terminal=False).print(bar)
    line = out.getvalue().rstrip("\n")
    assert line.startswith("epoch 3, 01:00/02:00 " if width >= 60 else "01:00/02:00 ")
    assert "vloss 0.25" in line and "\n" not in line
    full = line.count("━")
    assert full >= 4
