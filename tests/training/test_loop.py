"""The trainer through the API: resuming bit for bit, stages, schedules, optimisers, failures."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import start_training
from torch import Tensor, nn

import zoo
from zoo.core.errors import InterruptedRun, JobError
from zoo.core.sections import TrainSpec
from zoo.core.types import Batch, DataInfo, Losses
from zoo.data.dataset import Pictures, Splits
from zoo.models.base import Model, Stage
from zoo.training.callbacks import Callback
from zoo.training.loop import TrainingJob, fit, thin_out
from zoo.training.train import Trained, trained

SMALL = ("model.blocks=2", "model.first=4", "model.last=8", "model.head=1", "data.limit=300", "train.batch=50")
COMPILED = ("train.compile=on", "train.precision=bfloat16", "model.last=12")
KILLED = ("train.epochs=12", "train.save_seconds=0.05")

pytestmark = pytest.mark.usefixtures("home")


class Recorder(Callback):
    """Keeps what a training tells; raises Ctrl-C at a step if asked to."""

    def __init__(self, interrupt_at: int = -1) -> None:
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.steps, self.interrupt_at = 0, interrupt_at

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)

    def epoch(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def note(self, text: str) -> None:
        self.notes.append(text)


def train(*overrides: str, out: str, callback: Callback | None = None) -> Trained:
    return zoo.train("cnn", *SMALL, *overrides, out=out, callback=callback)


def test_same_seed_same_weights_and_another_seed_others() -> None:
    one, two = (train("train.epochs=2", out=name) for name in ("one", "two"))
    other = zoo.train("cnn", *SMALL, "train.epochs=2", seed=1, out="other")
    assert one.weights_sha256 == two.weights_sha256 != other.weights_sha256


@pytest.mark.parametrize(
    "options",
    [
        ("train.optimizer=adamw", "train.ema=0.9", "train.clip=1"),
        ("train.optimizer=sgd", "train.schedule=plateau", "model.dropout=0.3"),
        ("train.optimizer=muon", "train.schedule=linear", "train.augment.cutout=3"),
        ("train.optimizer=adamw", "train.keep=last", "train.augment.flip=alternate", "train.precision=bfloat16"),
        (
            "train.optimizer=sgd",
            "train.schedule=triangular",
            "train.ema=0",
            "train.lookahead=3",
            "train.decoupled=true",
            "train.lr_norm=9",
        ),
        pytest.param(("train.optimizer=adamw", *COMPILED), marks=pytest.mark.slow),
        pytest.param(("train.optimizer=sgd", *COMPILED, "data.valid=0"), marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_goes_on_bit_for_bit(options: tuple[str, ...]) -> None:
    whole = train("train.epochs=3", *options, out="whole")
    for step in (1, 8, 12):
        broken = f"broken-{step}"
        with pytest.raises(InterruptedRun, match="Resume with") as stopped:
            train("train.epochs=3", *options, out=broken, callback=Recorder(step))
        assert stopped.value.code == 130
        assert zoo.load(broken).state == "interrupted"
        again = Recorder()
        resumed = train("train.epochs=3", *options, out=broken, callback=again)
        assert again.steps == 18 - step, "it goes on after the step at which it stopped"
        assert resumed.weights_sha256 == whole.weights_sha256
        assert zoo.load(broken).log() == zoo.load("whole").log()
        assert not Path(broken, "state").exists()


def test_resuming_passes_over_a_damaged_saving() -> None:
    whole = train("train.epochs=3", out="whole")
    for step in (4, 9):
        with pytest.raises(InterruptedRun):
            train("train.epochs=3", out="broken", callback=Recorder(step))
    newest = max(Path("broken/state").glob("*.safetensors"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    callback = Recorder()
    assert train("train.epochs=3", out="broken", callback=callback).weights_sha256 == whole.weights_sha256
    assert any("damaged" in note for note in callback.notes)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork server")
def test_kills_at_random_moments_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def ended(process: BaseProcess) -> bool:
        process.join()
        return process.exitcode == 0

    assert ended(start_training(SMALL + KILLED, "whole"))
    expected = zoo.load("whole").record["weights_sha256"]
    kills, draw = 0, random.Random(0)
    while kills < 20:
        out = f"killed-{kills}"
        for _ in range(4):
            process = start_training(SMALL + KILLED, out)
            while not Path(out, "state/manifest.json").exists() and process.is_alive():
                time.sleep(0.02)
            time.sleep(draw.uniform(0, 0.8))
            process.kill()
            if ended(process):
                break  # It was done before the kill came; the next run is another one.
            kills += 1
        assert ended(start_training(SMALL + KILLED, out))
        assert zoo.load(out).record["weights_sha256"] == expected
        assert zoo.load(out).log() == zoo.load("whole").log()
        shutil.rmtree(out)


def test_the_second_run_of_a_finished_entry_is_a_new_one() -> None:
    one = zoo.train("cnn", *SMALL, "train.epochs=1")
    two = zoo.train("cnn", *SMALL, "train.epochs=1")
    assert (one.run, two.run) == (Path("runs/cnn-1"), Path("runs/cnn-2"))


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_good_state() -> None:
    with pytest.raises(JobError, match=r"not finite.*; the best weights before that are kept in bad; lower train\.lr"):
        train("train.optimizer=sgd", "train.lr=100", "train.epochs=30", "train.save_seconds=0", out="bad")
    run = zoo.load("bad")
    assert run.state == "diverged"
    assert zoo.evaluate("bad", split="valid").metrics["loss"] < 1e30, "the best weights before it are kept"
    with pytest.raises(JobError, match="diverged; change its options, or choose another --out"):
        train("train.optimizer=sgd", "train.lr=100", "train.epochs=30", "train.save_seconds=0", out="bad")
    assert all(row["train"]["loss"] < 1e30 for row in run.log())
    assert list(Path("bad/state").glob("*.safetensors"))


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "one-cycle", "plateau", "triangular"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_every_schedule_and_optimizer_learns(schedule: str, optimizer: str) -> None:
    callback = Recorder()
    rate = 0.05 if optimizer == "sgd" else 0.01
    options = (f"train.schedule={schedule}", f"train.optimizer={optimizer}", f"train.lr={rate}")
    train("train.epochs=3", *options, out="run", callback=callback)
    assert callback.rows[-1]["train"]["loss"] < callback.rows[0]["train"]["loss"]


def test_the_average_of_the_weights_is_what_is_kept() -> None:
    with_average = train("train.epochs=2", "train.ema=0.9", "train.keep=last", out="ema")
    without = train("train.epochs=2", "train.ema=0", "train.keep=last", out="plain")
    rows = zoo.load("ema").log(), zoo.load("plain").log()
    assert rows[0][-1]["train"] == rows[1][-1]["train"], "the average does not touch the learning"
    assert with_average.weights_sha256 != without.weights_sha256


def test_the_kept_weights_are_those_of_the_best_epoch() -> None:
    result = train("train.epochs=5", "train.lr=0.03", out="run")
    best = min(zoo.load("run").log(), key=lambda row: row["valid"]["loss"])
    assert result.metrics == best["valid"]
    found = zoo.evaluate("run", split="valid").metrics
    assert found["loss"] == pytest.approx(best["valid"]["loss"], rel=1e-4)


def test_a_run_folder_holds_what_it_promises() -> None:
    result = train("train.epochs=2", out="run")
    names = {path.name for path in Path("run").iterdir()}
    assert {"entry.json", "run.json", "metrics.jsonl", "weights.safetensors", "manifest.json"} <= names
    record = json.loads(Path("run/run.json").read_text())
    assert {"zoo", "versions", "device", "threads", "data", "parameters", "command"} <= record.keys()
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["files"][0]["sha256"] == result.weights_sha256
    assert [json.loads(line)["epoch"] for line in Path("run/metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert not list(Path("run").rglob("*.tmp"))


def test_tensorboard_events_are_written() -> None:
    pytest.importorskip("tensorboard")
    train("train.epochs=1", out="run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator("run/tensorboard").Reload()
    assert "model/loss/valid" in events.Tags()["scalars"]


class TwoStages(Model):
    """Two linear layers, one after the other; the second learns from the first, which is frozen then."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 3), nn.Linear(3, 2)
        self.seen: list[tuple[bool, bool, bool]] = []

    def hidden(self, batch: Batch) -> Tensor:
        self.seen.append((self.first.training, self.second.training, self.first.weight.requires_grad))
        hidden: Tensor = self.first(batch.x.flatten(1)).tanh()
        return hidden

    def one(self, batch: Batch) -> Losses:
        return {"one": self.hidden(batch).square().mean()}

    def two(self, batch: Batch) -> Losses:
        return {"two": nn.functional.cross_entropy(self.second(self.hidden(batch)), batch.y)}

    def losses(self, batch: Batch) -> Losses:
        return self.one(batch) | self.two(batch)

    def stages(self) -> list[Stage]:
        return [Stage("codec", self.first, self.one), Stage("prior", self.second, self.two)]


def two_stage_job(folder: Path, spec: TrainSpec) -> TrainingJob:
    torch.manual_seed(0)
    pictures = Pictures(torch.randint(0, 255, (64, 1, 2, 2), dtype=torch.uint8), torch.arange(64) % 2)
    splits = Splits(pictures, pictures, pictures, DataInfo.of((1, 2, 2), ("a", "b")))
    return TrainingJob(TwoStages(), splits, spec, folder, torch.device("cpu"), None, Callback())


def test_stages_learn_one_after_the_other_and_the_rest_is_frozen(tmp_path: Path) -> None:
    spec = TrainSpec.model_validate({"epochs": 2, "batch": 16, "stages": {"prior": {"epochs": 3, "lr": 0.1}}})
    job = two_stage_job(tmp_path / "run", spec)
    start = {name: value.clone() for name, value in job.model.state_dict().items()}
    (tmp_path / "run").mkdir()
    fit(job)
    weights = job.kept
    assert isinstance(job.model, TwoStages)
    assert (True, False, True) in job.model.seen
    assert (False, True, False) in job.model.seen
    assert (True, True, True) not in job.model.seen
    assert not torch.equal(weights["first.weight"], start["first.weight"])
    assert not torch.equal(weights["second.weight"], start["second.weight"])
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        ("codec", 1),
        ("codec", 2),
        *(("prior", n) for n in (1, 2, 3)),
    ]


def test_a_stage_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    spec = TrainSpec.model_validate({"stages": {"prio": {"epochs": 3}}})
    with pytest.raises(zoo.ZooError, match="no stage 'prio'; did you mean 'prior'"):
        fit(two_stage_job(tmp_path, spec))


def test_parameters_that_a_model_froze_stay_frozen(tmp_path: Path) -> None:
    job = two_stage_job(tmp_path, TrainSpec.model_validate({"epochs": 2, "batch": 16}))
    assert isinstance(job.model, TwoStages)
    job.model.second.weight.requires_grad_(False)
    before = job.model.second.state_dict()["bias"].clone(), job.model.second.weight.clone()
    fit(job)
    assert torch.equal(job.kept["second.weight"], before[1])
    assert not torch.equal(job.kept["second.bias"], before[0])


def test_weights_that_become_infinite_without_a_validation_split_are_an_error(tmp_path: Path) -> None:
    job = two_stage_job(tmp_path, TrainSpec.model_validate({"epochs": 1, "batch": 64}))
    job.splits = job.splits._replace(valid=job.splits.train.subset(torch.zeros(0, dtype=torch.int64)))
    with torch.no_grad():
        list(job.model.parameters())[-1].fill_(torch.inf)
    with pytest.raises(JobError, match="not finite"):
        fit(job)


def test_the_metrics_told_are_those_of_the_last_stage(home: Path) -> None:
    row = {"epoch": 1, "train": {}, "lr": 0.1}
    rows = [row | {"stage": stage, "valid": {"loss": loss}} for stage, loss in (("a", 1.0), ("b", 3.0), ("b", 2.0))]
    run = zoo.load(train("train.epochs=1", out="run").run)
    (home / "run/metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    assert trained(run).metrics == {"loss": 2.0}


def test_a_run_goes_on_with_the_call_that_the_message_names() -> None:
    with pytest.raises(InterruptedRun) as stopped:
        zoo.train("cnn", *SMALL, "train.epochs=2", fresh=True, callback=Recorder(3))
    call = str(stopped.value).partition("Resume with: ")[2]
    assert call.startswith("zoo.train('cnn', 'model.blocks=2'")
    assert eval(call).run == Path("runs/cnn-1")
    assert zoo.load("cnn-1").record["seconds"] > 0


def test_pictures_that_changed_are_noticed() -> None:
    from PIL import Image

    def draw(number: int) -> None:
        for name, tint in (("cat", 60), ("dog", 160)):
            Path("pets", name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (tint, number * 5, 90)).save(f"pets/{name}/{number}.png")

    for number in range(20):
        draw(number)
    options = ("data.kind=folder", "data.path=pets", "model.blocks=2", "model.first=4", "model.last=8")
    run = zoo.train("cnn", *options, "train.epochs=1").run
    assert zoo.evaluate(run).pictures == 8
    with pytest.raises(zoo.ZooError, match=r"data\.split_seed changes how pictures are split"):
        zoo.evaluate(run, "data.split_seed=1")
    with pytest.raises(InterruptedRun):
        zoo.train("cnn", *options, "train.epochs=2", out="other", callback=Recorder(1))
    draw(20)
    with pytest.raises(zoo.ZooError, match=r"changed after .* may contain training pictures"):
        zoo.evaluate(run)
    with pytest.raises(zoo.ZooError, match="changed since other started; undo that change, or choose another --out"):
        zoo.train("cnn", *options, "train.epochs=2", out="other")


@pytest.mark.slow
def test_training_leaves_ray_and_optuna_alone() -> None:
    check = "print({'ray', 'optuna'} & set(sys.modules))"
    code = f"import sys, zoo; zoo.train('cnn', *{SMALL!r}, 'train.epochs=1'); {check}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")


def test_validation_uses_every_nth_picture_but_not_too_few() -> None:
    def left(count: int, stride: int) -> list[int]:
        pictures = Pictures.of(torch.zeros(count, 1, 1, dtype=torch.uint8), torch.arange(count))
        return thin_out(pictures, stride).y.tolist()

    assert left(2000, 8) == list(range(0, 2000, 8))
    assert left(200, 8) == list(range(0, 200, 3))
    assert left(127, 8) == list(range(127))
    assert left(2000, 1) == list(range(2000))
