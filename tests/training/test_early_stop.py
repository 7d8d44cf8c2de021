"""Early stopping: when a stage ends, how the learning rate comes down first, and what the record says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.conftest import TINY
from tests.training.test_loop import Recorder, two_stage_job
from zoo.cli import main
from zoo.core.errors import InterruptedRun
from zoo.core.sections import StageSpec, TrainSpec
from zoo.training.duration import EpochBudget, StageTimes, TimeBudget
from zoo.training.early_stop import EarlyStop
from zoo.training.loop import fit
from zoo.training.schedule import Schedule

NEVER = ("train.min_delta=1000", "train.warmup=0")
"""No epoch but the first is an improvement."""

pytestmark = pytest.mark.usefixtures("home")


def train(*words: str, out: str, callback: Recorder | None = None, epochs: int = 40) -> list[dict[str, Any]]:
    length = [f"train.epochs={epochs}"] * (epochs > 0)
    zoo.train("cnn", *TINY[:-1], "train.batch=40", *length, *words, out=out, callback=callback)
    return zoo.load(out).log()


@pytest.mark.parametrize(
    ("schedule", "epochs"), [("constant", 4), ("cosine", 5), ("linear", 5), ("wsd", 5), ("plateau", 5)]
)
def test_a_stage_ends_after_its_patience_and_the_fall_of_the_rate(schedule: str, epochs: int) -> None:
    callback = Recorder()
    rows = train(f"train.schedule={schedule}", "train.patience=3", *NEVER, out="run", callback=callback)
    # the first epoch improves, three do not; a schedule that ends at 0 takes a tenth more
    assert len(rows) == epochs
    record = zoo.load("run").record
    assert record["state"] == "done"
    stopped = record["stopped"]["model"]
    assert stopped["reason"] == "the validation loss had not improved by 1000 for 3 epochs"
    assert [note for note in callback.notes if stopped["reason"] in note]
    if schedule != "constant":
        assert rows[3]["lr"] > 0.5 * rows[0]["lr"] and rows[4]["lr"] < 0.4 * rows[0]["lr"]
    kept = min(rows, key=lambda row: row["valid"]["loss"])
    assert zoo.load("run").kept_epoch() == kept, "an improvement that is too small to go on still chooses the weights"


def test_a_rate_that_has_come_down_stops_at_once_and_one_that_rises_does_not_count() -> None:
    low = train("train.schedule=linear", "train.batch=20", "train.patience=9", *NEVER, epochs=11, out="low")
    assert len(low) == 10 and "learning rate" not in zoo.load("low").record["stopped"]["model"]["reason"]
    words = ("train.schedule=one-cycle", "train.warmup=0.5", "train.min_delta=1000", "train.patience=2")
    rows = train(*words, epochs=20, out="rise")
    peak = max(rows, key=lambda row: row["lr"])["epoch"]
    assert peak + 2 <= zoo.load("rise").record["stopped"]["model"]["epoch"] <= peak + 3


def test_without_need_nothing_stops_and_nothing_changes() -> None:
    words = ("train.epochs=4", "train.lr=0.01")
    patient = zoo.train("cnn", *TINY, *words, "train.patience=4", out="patient")
    plain = zoo.train("cnn", *TINY, *words, out="plain")
    assert patient.weights_sha256 == plain.weights_sha256
    assert "stopped" not in zoo.load("patient").record


@pytest.mark.parametrize("step", [3, 12, 17, 19])
def test_a_stage_that_stops_early_goes_on_bit_for_bit(step: int) -> None:
    words = (*TINY, "train.epochs=30", "train.batch=50", "train.patience=4", *NEVER)
    whole = zoo.train("cnn", *words, out="whole")
    with pytest.raises(InterruptedRun):
        zoo.train("cnn", *words, out="broken", callback=Recorder(step))
    assert zoo.train("cnn", *words, out="broken").weights_sha256 == whole.weights_sha256
    assert zoo.load("broken").log() == zoo.load("whole").log()
    assert zoo.load("broken").record["stopped"] == zoo.load("whole").record["stopped"]


def test_each_stage_has_its_own_patience(tmp_path: Path) -> None:
    options = {"epochs": 30, "stages": {"prior": {"epochs": 3}, "codec": {"patience": 2, "min_delta": 1000}}}
    job = two_stage_job(tmp_path, TrainSpec.model_validate(options | {"batch": 64, "warmup": 0}))
    fit(job)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["stage"] for row in rows] == ["codec"] * 4 + ["prior"] * 3
    assert list(job.stopped) == ["codec"]


def test_with_a_clock_the_stage_ends_before_its_time() -> None:
    begin = time.monotonic()
    rows = train("train.minutes=3", "train.patience=3", *NEVER, epochs=0, out="run")
    assert time.monotonic() - begin < 90, "of 3 minutes"
    assert rows[-1]["lr"] < 0.8 * rows[0]["lr"], "the rate has come down"
    assert zoo.load("run").record["stopped"]["model"]["epoch"] < rows[-1]["epoch"]


def test_a_clock_is_shortened_by_a_tenth_of_the_time_so_far() -> None:
    now = [50.0]
    budget = TimeBudget(StageTimes(begin=0, end=1000, zero=0, validations=2, shortest=1.0), lambda: now[0])
    spec = StageSpec(minutes=1, warmup=0.0)
    schedule = Schedule(spec, 100)
    schedule.share = budget.share()
    before = schedule.factor(1)
    early = EarlyStop()
    assert early.shorten(schedule, budget, 5, 49, 10)
    assert schedule.factor(50) == pytest.approx(before), "it begins where it was"
    now[0] = 55.0
    schedule.share = budget.share()
    assert schedule.factor(60) == pytest.approx(0) and budget.epoch_must_end() and budget.is_over(6)
    again = EarlyStop.restore(json.loads(json.dumps(early.state())))
    assert again == early


def test_only_epochs_that_were_validated_use_up_the_patience() -> None:
    spec, early = StageSpec(patience=2, warmup=0.0, schedule="constant"), EarlyStop()
    schedule = Schedule(spec, 1000)
    over = [early.count(spec, schedule, epoch, epoch * 10, score) for epoch, score in ((1, 3.0), (20, 4.0), (40, 4.0))]
    assert over == [False, False, True]


def test_a_stage_near_its_end_is_left_alone() -> None:
    budget, schedule = EpochBudget(11), Schedule(StageSpec(epochs=11, schedule="wsd", cooldown=0.05), 110)
    early = EarlyStop()
    assert not early.shorten(schedule, budget, 10, 99, 10) and budget.epochs == 11 and not early.epoch


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train.min_delta=0.1"], "train.min_delta has no effect without train.patience"),
        (["train.cooldown=0.1"], "train.cooldown has no effect on this schedule; set train.schedule=wsd"),
        (["train.patience=3", "data.valid=0"], "train.patience has no effect without validation pictures"),
        (["train.patience=0"], "train.patience"),
    ],
)
def test_what_cannot_take_effect_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert main(["train", "cnn", *TINY, *words]) == 2
    assert text in capsys.readouterr().err and not list(Path().glob("**/run.json"))
