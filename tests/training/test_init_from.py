"""A training begins with the weights of a run: what fits is taken, what is frozen stays, and a kill changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interrupting import Interrupt
from notes import Notes
from PIL import Image
from shipping import REGISTRY, make_run, ship
from torch import Tensor
from zoo_priors.transformer import Transformer

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import DataError, InterruptedRun, RunError, ZooError
from zoo.core.tensor_files import write_weights
from zoo.training.callbacks import Callback
from zoo.training.checkpoint import StateFolder
from zoo.training.train import Trained

SMALL = ("model.blocks=2", "model.first=4", "model.last=8", "data.limit=200", "train.batch=50")
SOURCE = "runs/tiny-1"
pytestmark = pytest.mark.usefixtures("run")


def train(*words: str, out: str = "tuned", callback: Callback | None = None, **options: Any) -> Trained:
    """Train the tiny network, by default with the weights of the run of the digits."""
    start = {"init_from": SOURCE} | options
    return zoo.train("cnn", *SMALL, "train.epochs=2", *words, out=out, device="cpu", callback=callback, **start)


def weights(run: str | Path) -> dict[str, Tensor]:
    """The weights of a run."""
    return zoo.load(run).weights()


def make_set(classes: tuple[str, ...], colour: bool) -> str:
    """A folder of small random pictures."""
    draw = np.random.default_rng(0)
    for name in classes:
        Path("set", name).mkdir(parents=True)
        for number in range(20):
            pixels = draw.integers(0, 256, (10, 10, 3) if colour else (10, 10), np.uint8)
            Image.fromarray(pixels).save(Path("set", name, f"{number}.png"))
    return "set"


def test_all_weights_are_taken_for_the_same_classes() -> None:
    notes = Notes()
    done = train("train.lr=1e-12", "train.weight_decay=0", callback=notes)
    old, new = weights(SOURCE), weights(done.run)
    for name, _ in zoo.load(SOURCE).model().named_parameters():
        assert torch.allclose(old[name], new[name], atol=1e-6), name
    record = zoo.load(done.run).record["init_from"]
    assert set(record["taken"]) == set(old) and not record["new"] and not record["unused"]
    assert record["weights_sha256"] == zoo.load(SOURCE).record["weights_sha256"]
    assert Path(record["run"]) == Path(SOURCE).absolute()
    (line,) = [line for line in notes.lines if line.startswith("begins with")]
    assert line.endswith("(cnn on digits): 1,989 of 1,989 parameters")


def test_other_classes_and_channels_get_a_new_head_and_converted_filters() -> None:
    notes = Notes()
    done = train("train.lr=1e-12", data=make_set(("cat", "dog", "owl"), colour=True), callback=notes)
    old, new = weights(SOURCE), weights(done.run)
    assert torch.allclose(new["blocks.0.conv.weight"].sum(1), old["blocks.0.conv.weight"].sum(1), atol=1e-5)
    assert new["blocks.0.conv.weight"].shape[1] == 3 and torch.allclose(new["mean"], old["mean"].expand(3, 1, 1))
    assert torch.allclose(new["blocks.1.conv.weight"], old["blocks.1.conv.weight"], atol=1e-6)
    assert new["head.8.bias"].shape == (3,)
    record = zoo.load(done.run).record["init_from"]
    assert record["adapted"] == ["mean", "std", "blocks.0.conv.weight"]
    assert record["new"] == [f"head.{n}.{part}" for n in (2, 4, 6, 8) for part in ("weight", "bias")]
    (line,) = [line for line in notes.lines if line.startswith("begins with")]
    assert "new, for other classes: head.2.weight, head.2.bias, head.4.weight and 5 more" in line
    assert "converted to other channels: mean, std, blocks.0.conv.weight" in line


def test_grey_pictures_take_the_sum_of_coloured_filters() -> None:
    coloured = train(data=make_set(("cat", "dog"), colour=True), init_from=None, out="coloured").run
    done = train("train.lr=1e-12", "train.freeze=blocks", init_from=coloured, out="grey")
    old, new = weights(coloured)["blocks.0.conv.weight"], weights(done.run)["blocks.0.conv.weight"]
    assert torch.allclose(new, old.sum(1, keepdim=True), atol=1e-6)


def test_as_many_other_classes_get_a_new_head_too() -> None:
    classes = tuple("abcdefghij")
    train(data=make_set(classes, colour=False))
    record = zoo.load("tuned").record["init_from"]
    assert record["other_classes"] and record["new"][0] == "head.2.weight" and "mean" in record["taken"]


def test_frozen_weights_and_their_statistics_stay() -> None:
    notes = Notes()
    done = train("train.freeze=blocks", "train.lr=0.01", callback=notes)
    old, new = weights(SOURCE), weights(done.run)
    for name, value in new.items():
        assert torch.equal(value, old[name]) == (not name.startswith("head.")), name
    assert any("running_mean" in name for name in new)
    assert "frozen: 360 of 1,989 parameters" in notes.lines
    other = train("train.lr=0.01", out="free")
    assert not torch.equal(weights(other.run)["blocks.0.norm.running_mean"], old["blocks.0.norm.running_mean"])


def test_patterns_choose_single_parameters() -> None:
    done = train("train.freeze=blocks.?.conv.weight,head.8.*", "train.lr=0.01")
    old, new = weights(SOURCE), weights(done.run)
    same = {name for name, value in new.items() if torch.equal(value, old[name])}
    assert same == {"mean", "std", "blocks.0.conv.weight", "blocks.1.conv.weight", "head.8.weight", "head.8.bias"}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_new_weights_learn_at_lr_and_old_ones_at_a_share_of_it(optimizer: str) -> None:
    words = (f"train.optimizer={optimizer}", "train.lr=0.01", "train.weight_decay=0")
    data = make_set(("cat", "dog", "owl"), colour=False)
    fast = train(*words, data=data, out="fast")
    slow = train(*words, "train.lr_mult=1e-6", data=data, out="slow")
    old = weights(SOURCE)
    for name in ("blocks.0.conv.weight", "blocks.1.conv.weight", "blocks.1.norm.bias"):
        assert (weights(fast.run)[name] - old[name]).abs().max() > 1e-5, name
        assert (weights(slow.run)[name] - old[name]).abs().max() < 1e-6, name
    first = train(*words, "train.freeze=head", data=data, out="first")
    for name in ("head.2.weight", "head.8.weight"):
        assert (weights(slow.run)[name] - weights(first.run)[name]).abs().max() > 1e-5, name


@pytest.mark.parametrize(
    ("options", "step"),
    [
        (("train.freeze=blocks.0",), 5),
        (("train.lr_mult=0.1", "train.optimizer=adamw", "train.ema=0.9"), 6),
        (("train.lr_mult=0.1", "train.optimizer=muon", "train.freeze=head.8,blocks.0.norm"), 7),
        (("train.lr_mult=0.1", "train.optimizer=sgd"), 1),
        pytest.param(
            ("train.lr_mult=0.1", "train.freeze=blocks.0", "train.compile=on", "train.precision=bfloat16"),
            5,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_kill_at_any_step_changes_nothing(options: tuple[str, ...], step: int) -> None:
    data = make_set(("cat", "dog", "owl"), colour=True)
    words = (*options, "train.batch=10", "train.save_seconds=0")
    whole = train(*words, data=data, out="whole")
    with pytest.raises(SystemExit):
        train(*words, data=data, out="killed", callback=Notes(step))
    assert zoo.load("killed").state == "running"
    again = train(*words, data=data, out="killed")
    assert again.weights_sha256 == whole.weights_sha256
    assert zoo.load("killed").log() == zoo.load("whole").log()
    assert zoo.load("killed").record["init_from"] == zoo.load("whole").record["init_from"]


def test_a_run_with_a_checkpoint_resumes_without_the_run_that_it_began_with(run: Path) -> None:
    whole = train("train.lr_mult=0.1", out="whole")
    for out, seconds in (("killed", 0), ("early", 1000)):
        with pytest.raises(SystemExit):
            train("train.lr_mult=0.1", f"train.save_seconds={seconds}", out=out, callback=Notes(5))
    run.rename("elsewhere")
    killed = zoo.load("killed").record["command"]
    assert "init_from" in killed
    from zoo.runs.run import Run
    from zoo.training.session import Session

    def resume(path: str) -> Run:
        before = zoo.load(path)
        return Session(before.entry, before.path, torch.device("cpu"), Notes(), "", "").train(before)

    assert resume("killed").record["weights_sha256"] == whole.weights_sha256
    with pytest.raises(ZooError, match="no run"):
        resume("early")


def test_weights_that_changed_are_not_mixed_with_others(run: Path) -> None:
    with pytest.raises(SystemExit):
        train("train.save_seconds=1000", callback=Notes(3))
    opened = zoo.load(run)
    changed = {name: value + 1 if value.is_floating_point() else value for name, value in opened.weights().items()}
    opened.update(weights_sha256=write_weights(run, changed))
    with pytest.raises(DataError, match="have changed since"):
        train("train.save_seconds=1000")


def test_a_run_resumes_only_with_the_same_start() -> None:
    with pytest.raises(SystemExit):
        zoo.train("cnn", *SMALL, "train.epochs=2", init_from=SOURCE, callback=Notes(3))
    assert zoo.train("cnn", *SMALL, "train.epochs=2").run.name == "cnn-2"
    assert zoo.train("cnn", *SMALL, "train.epochs=2", f"train.init_from={SOURCE}").run.name == "cnn-1"


def test_a_finished_run_goes_on_in_a_new_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cnn", *SMALL, "train.epochs=2", "train.freeze=blocks.0", "--device", "cpu"]) == 0
    assert main(["train", "cnn", "train.epochs=+3", "train.lr=0.002", "--device", "cpu"]) == 0
    err = capsys.readouterr().err
    assert "cnn-1 goes on for 3 epochs from its weights; a finished run keeps no state of the optimizer" in err
    first, second = (zoo.load(Path("runs", name)) for name in ("cnn-1", "cnn-2"))
    assert [row["epoch"] for row in second.log()] == [1, 2, 3]
    assert second.record["init_from"]["weights_sha256"] == first.record["weights_sha256"]
    assert second.entry.train.frozen == ("blocks.0",) and second.entry.train.lr == 0.002
    assert second.entry.model == first.entry.model and second.entry.data == first.entry.data
    third = zoo.train("runs/cnn-1", "train.epochs=+1", device="cpu").run
    assert third.name == "cnn-3" and zoo.load(third).record["init_from"]["run"] == str(first.path.absolute())


def test_a_run_that_goes_on_is_resumed_by_the_same_command() -> None:
    zoo.train("cnn", *SMALL, "train.epochs=1", device="cpu")
    whole = zoo.train("cnn", "train.epochs=9", "train.epochs=+2", device="cpu", out="whole")
    assert whole.epochs == 2
    with pytest.raises(SystemExit):
        zoo.train("cnn", "train.epochs=+2", device="cpu", callback=Notes(5))
    done = zoo.train("cnn", "train.epochs=+2", device="cpu")
    assert done.run.name == "cnn-2" and done.weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["vae", "--from", SOURCE],
            "is a model of the kind cnn, vae one of the kind vae; start from a run of the same",
        ),
        (["cnn", "--from", "cnn-9"], "no run 'cnn-9'"),
        (["cnn", "train.init_from=absent/run"], "no run 'absent/run'"),
        (["cnn", "--from", SOURCE, "train.init_from=other"], "set the same option"),
        (["cnn", "train.lr_mult=0.1"], "train.lr_mult needs train.init_from"),
        (["cnn", *SMALL, "train.freeze=block"], "no parameter matches 'block'; did you mean 'blocks'?"),
        (["cnn", *SMALL, "train.freeze=blocks,head"], "leaves nothing to train"),
        (["cnn", "train.freeze=a,,b"], "a pattern is empty"),
        (["absent", "train.epochs=+2"], "no run 'absent'"),
        (["vae", "--from", SOURCE, "train.epochs=+2"], "is a run of cnn, not of vae"),
        (["cnn", "--from", SOURCE, "train.stages.model.epochs=+2"], "only zoo train goes on with a finished run"),
    ],
)
def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert main(["train", *words, "--device", "cpu"]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert text in error


@pytest.mark.parametrize("command", ["tune", "compare", "show"])
def test_only_a_training_goes_on(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "cnn", "train.epochs=+2"]) == 2
    assert "train.epochs=+2: only zoo train goes on" in capsys.readouterr().err


def test_weights_that_hardly_fit_come_with_what_differs(run: Path) -> None:
    notes = Notes()
    train("model.last=20", callback=notes)
    (line,) = [line for line in notes.lines if line.startswith("begins with")]
    assert "the models differ: model.last: 8 -> 20" in line and "not used: " in line


def test_what_is_frozen_though_new_is_said() -> None:
    notes = Notes()
    train("train.freeze=head.8", data=make_set(("cat", "dog"), colour=False), callback=notes)
    assert "frozen although they are new and random: head.8.weight, head.8.bias" in notes.lines


def test_an_unfinished_run_and_damaged_weights_are_refused(run: Path) -> None:
    with pytest.raises(SystemExit):
        train(init_from=None, out="killed", callback=Notes(2))
    with pytest.raises(RunError, match="has not finished"):
        train(init_from="killed")
    with pytest.raises(ZooError, match="has not finished, so it has no end"):
        zoo.train("cnn", "train.epochs=+2", init_from="killed")
    (run / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="damaged or was replaced"):
        train()


def test_a_published_run_is_fetched_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo.push(run, "shared.zip")
    words = ["train", "cnn", *SMALL, "train.epochs=1", "--device", "cpu", "--from", "shared.zip"]
    assert main(words) == 0 and "runs/shared was fetched from shared.zip" in capsys.readouterr().err.replace("\\", "/")
    record = zoo.load("cnn-1").record["init_from"]
    assert Path(record["run"]) == Path("runs/shared").absolute() and not record["new"]
    assert main(words) == 0 and "was fetched from shared.zip before" in capsys.readouterr().err
    zoo.push(run, "elsewhere/shared.zip")
    zoo.load("shared").update(origin="another.zip")
    assert main(words) == 2
    assert "is a run of another.zip, not of shared.zip; remove or rename it" in capsys.readouterr().err


def test_a_run_on_the_hub_is_fetched(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.push(run, "bundle")

    def download(text: str, folder: Path) -> str:
        shutil.copytree("bundle", folder, dirs_exist_ok=True)
        return f"{text}@0123"

    monkeypatch.setattr("zoo.runs.hub.download", download)
    words = ["train", "cnn", *SMALL, "train.epochs=1", "--device", "cpu"]
    assert main([*words, "--from", "hf:ann/shared"]) == 0
    assert Path(zoo.load("cnn-1").record["init_from"]["run"]) == Path("runs/shared").absolute()
    assert main([*words, "--from", "hf:ann/shared"]) == 0
    assert "was fetched from hf:ann/shared@0123 before" in capsys.readouterr().err
    zoo.load("shared").update(origin=f"hf:ann/shared@{'0123456' * 5}")
    for revision, code in {"@main": 0, "@v1": 0, "@0123456": 0, "@fedcba9": 2}.items():
        assert main([*words, "--from", f"hf:ann/shared{revision}"]) == code, revision
    assert main([*words, "--from", "hf:bob/shared"]) == 2
    assert main([*words, "--from", "hf:ann"]) == 2
    assert "'hf:ann' is no model on the hub" in capsys.readouterr().err


def test_shipped_weights_stand_for_a_run(install: Install, home: Path) -> None:
    (home / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    shutil.rmtree("runs")
    shipped = make_run(Path("made/grey"), device="cpu")
    ship(install, (shipped, "digits"))
    done = zoo.train("tiny", init_from="tiny", device="cpu")
    record = zoo.load(done.run).record["init_from"]
    assert record["weights_sha256"] == shipped.record["weights_sha256"] and not record["new"]
    assert zoo.load(done.run).entry.train.init_from == "tiny"


def test_a_prior_is_trained_alone_on_frozen_codes() -> None:
    tiny = ("data.limit=60", "train.epochs=1", "train.batch=30")
    source = zoo.train("vq-vae", *tiny, out="source", device="cpu").run
    notes = Notes()
    done = zoo.train("vq-vae", *tiny, "train.freeze=codec", init_from=source, out="prior", device="cpu", callback=notes)
    assert "the stage codec is left out, since all its parameters are frozen" in notes.lines
    assert {row["stage"] for row in zoo.load(done.run).log()} == {"prior"}
    old, new = weights(source), weights(done.run)
    assert all(torch.equal(old[name], new[name]) for name in old if name.startswith("codec."))
    assert any(not torch.equal(old[name], new[name]) for name in old if name.startswith("prior."))


def test_weights_of_older_names_are_taken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = ("data.limit=60", "train.epochs=1", "train.batch=30")
    source = zoo.train("vq-vae", *tiny, out="source", device="cpu").run
    run = zoo.load(source)
    older = {name.replace("prior.positions", "prior.places"): value for name, value in weights(source).items()}
    assert "prior.places" in older
    run.update(weights_sha256=write_weights(run.path, older))
    record = zoo.load(zoo.train("vq-vae", *tiny, init_from=source, out="new", device="cpu").run).record["init_from"]
    assert not record["new"] and not record["unused"]
    zoo.push(run, "vq.zip")
    assert torch.equal(zoo.pull("vq.zip").weights()["prior.places"], older["prior.places"])
    monkeypatch.setattr(Transformer, "renamed_parameters", {})
    with pytest.raises(RunError, match="only one of them has"):
        run.model()


def test_a_checkpoint_of_older_names_is_resumed() -> None:
    tiny = ("data.limit=60", "train.epochs=2", "train.batch=30", "train.ema=0.9")
    whole = zoo.train("vq-vae", *tiny, "train.keep=last", out="whole", device="cpu")
    with pytest.raises(InterruptedRun):
        zoo.train("vq-vae", *tiny, "train.keep=last", out="broken", device="cpu", callback=Interrupt(7))
    folder = StateFolder(Path("broken/state"), 0)
    saved = folder.load()
    assert saved
    groups, plain = saved
    for group in ("model", "average", "best"):
        groups[group] = {name.replace("positions", "places"): value for name, value in groups[group].items()}
    assert "prior.places" in groups["average"]
    folder.save(groups, plain)
    resumed = zoo.train("vq-vae", *tiny, "train.keep=last", out="broken", device="cpu")
    assert resumed.weights_sha256 == whole.weights_sha256


def test_entries_without_these_options_are_as_they_were() -> None:
    entry = json.loads((Path(SOURCE) / "entry.json").read_text(encoding="utf-8"))
    assert not {"init_from", "freeze", "lr_mult"} & set(entry["train"])
    train("train.freeze=blocks")
    assert json.loads(Path("tuned/entry.json").read_text(encoding="utf-8"))["train"]["freeze"] == ["blocks"]


@pytest.mark.slow
def test_a_study_begins_its_trials_with_the_weights_of_a_run() -> None:
    study = zoo.tune(
        "cnn", *SMALL, "train.epochs=1", f"train.init_from={SOURCE}", "train.freeze=blocks", "model.head=3", trials=2
    )
    assert study.best is not None
    for trial in study.trials:
        assert zoo.load(trial.run).record["init_from"]["run"] == str(Path(SOURCE).absolute())
