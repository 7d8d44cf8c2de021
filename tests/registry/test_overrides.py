"""Options that are typed: each takes effect, in every stage of a training, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.registry.entry import Entry
from zoo.registry.listing import load_entry, load_registry
from zoo.registry.search.space import Space

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]
TYPED: dict[str, Any] = {
    "epochs": 3,
    "batch": 64,
    "optimizer": "sgd",
    "lr": 0.5,
    "weight_decay": 0.25,
    "momentum": 0.5,
    "schedule": "linear",
    "warmup": 0.25,
    "clip": 2.0,
    "ema": 0.5,
}
STAGED = """
version: 1
entries:
  staged:
    extends: vq-vae
    train:
      stages:
        codec: {epochs: 4, batch: 10, lr: 0.1, weight_decay: 0.1, momentum: 0.1, ema: 0.1, clip: 1, warmup: 0.1}
        prior: {epochs: 6, optimizer: muon, schedule: constant, lr: 0.2}
    tune: {space: {train.stages.prior.lr: 1e-4..1e-2, train: {stages: {codec: {lr: 1e-3..1e-1}}}}}
  timed:
    extends: vq-vae
    train: {minutes: 5, stages: {codec: {minutes: 2}}}
"""


@pytest.fixture(autouse=True)
def staged(home: Path) -> None:
    """Entries whose stages set every option, and one with minutes."""
    (home / "registry.yaml").write_text(STAGED, encoding="utf-8")


def stages(entry: Entry, name: str) -> list[Any]:
    """An option of the training in both stages."""
    return [getattr(entry.train.stage(stage), name) for stage in ("codec", "prior")]


@pytest.mark.parametrize(("name", "value"), TYPED.items())
def test_an_option_of_the_training_applies_to_every_stage(name: str, value: Any) -> None:
    assert stages(load_entry("staged"), name) != [value, value]
    assert stages(load_entry("staged", [f"train.{name}={value}"]), name) == [value, value]


def test_a_stage_that_is_typed_keeps_its_own() -> None:
    for words in (["train.lr=1", "train.stages.prior.lr=2"], ["train.stages.prior.lr=2", "train.lr=1"]):
        assert stages(load_entry("staged", words), "lr") == [1, 2]
    assert stages(load_entry("staged", ["train.lr=1"]), "batch") == [10, 125]


def test_epochs_take_the_place_of_minutes() -> None:
    assert load_entry("vae-cifar10", ["train.epochs=3"]).train.minutes is None
    found = load_entry("timed", ["train.epochs=3"])
    assert (found.train.minutes, stages(found, "epochs"), stages(found, "minutes")) == (None, [3, 3], [None, None])
    assert stages(load_entry("timed", ["train.minutes=null"]), "minutes") == [None, None]
    assert stages(load_entry("timed", ["train.stages.codec.epochs=3"]), "minutes") == [None, None]


def test_an_empty_mapping_takes_everything_away() -> None:
    assert load_entry("staged", ["train.stages={}"]).train.stages == {}
    assert load_entry("staged", ["train.stages={}", "train.stages.prior.lr=1"]).train.stages == {"prior": {"lr": 1}}
    assert load_entry("staged", ["train.stages.prior.lr=1", "train.stages={}"]).train.stages == {}
    assert load_entry("vae", ["train.augment={}"]).train.augment.pad == "auto"


def searched(*words: str) -> list[str]:
    """What a study of the staged entry would search of its training."""
    raw = load_registry()[0].resolve("staged", words)
    entry = load_entry("staged", words)
    fixed = [word.partition("=")[0] for word in words if not word.startswith("tune.")]
    space = Space.of(raw, entry, entry.tune.space, fixed)
    config = space.assign(lambda dimension: dimension.bounds()[0])
    tried = Space.apply(entry, config)
    assert all(stages(tried, "batch") == [config["train.batch"]] * 2 for _ in range("train.batch" in words[-1:]))
    return [dimension.path for dimension in space.dimensions if dimension.path.startswith("train.")]


def test_a_typed_value_is_not_searched_in_a_stage() -> None:
    assert {"train.stages.prior.lr", "train.stages.codec.lr", "train.lr"} <= set(searched())
    assert not [path for path in searched("train.lr=0.1") if path.endswith(".lr")]


@pytest.mark.parametrize("word", ["tune.space.train.batch=[20, 30]", "tune.space={train.batch: [20, 30]}"])
def test_a_typed_range_is_searched_in_every_stage(word: str) -> None:
    raw, entry = load_registry()[0].resolve("staged", [word]), load_entry("staged", [word])
    space = Space.of(raw, entry, entry.tune.space, [])
    config = space.assign(lambda dimension: dimension.bounds()[-1])
    assert stages(Space.apply(entry, config), "batch") == [30, 30]


REFUSED = [
    (["train.epochs=3", "train.minutes=1"], "train.epochs has no effect beside train.minutes"),
    (
        ["train.stages.prior.epochs=3", "train.stages.prior.minutes=1"],
        "train.stages.prior.epochs has no effect beside train.stages.prior.minutes",
    ),
    (["train.lr="], "train.lr has no value"),
    (["tune.trials=5"], "tune.trials has no effect on a training; it is for zoo tune"),
    (["train.stages.decoder.lr=1"], "the model has no stage 'decoder'; did you mean 'codec'?"),
    (["train.momentum=0.5"], "train.momentum has no effect with the optimizer adamw"),
    (["train.augment.pad_mode=reflect"], "train.augment.pad_mode has no effect without a border"),
]


@pytest.mark.parametrize(("words", "text"), REFUSED)
def test_a_training_refuses_what_would_have_no_effect(words: list[str], text: str, capsys: Capture) -> None:
    assert main(["train", "vq-vae", "data.limit=50", *words]) == 2
    assert text in capsys.readouterr().err
    assert not [*Path("runs").glob("*/run.json")]


BOTH = [
    (["train", "cnn", "--seed", "1", "train.seed=2"], "--seed 1 and train.seed=2 set the same option"),
    (["compare", "cnn", "--minutes", "1", "train.minutes=2", "model.first=8,9"], "--minutes 1.0 and train.minutes=2"),
    (["tune", "cnn", "--trials", "3", "tune.trials=5"], "--trials 3 and tune.trials=5 set the same option"),
    (["tune", "cnn", "--max-params", "3k", "tune.max_params=5"], "--max-params 3000 and tune.max_params=5"),
    (["train", "cnn", "--data", "digits", "data.kind=cifar10"], "the data are named twice"),
    (["train", "cnn", "--data", "digits", "cifar10"], "the data are named twice"),
    (["train", "cnn", "digits", "cifar10"], "the data are named twice"),
]


@pytest.mark.parametrize(("argv", "text"), BOTH)
def test_an_option_that_is_given_twice_is_refused(argv: list[str], text: str, capsys: Capture) -> None:
    assert main(argv) == 2
    assert f"{text}" in (err := capsys.readouterr().err)
    assert "give one of them" in err


NOT_TUNED = [
    (["tune.space.model.frist=1..3"], "did you mean 'model.first'?"),
    (["tune.space.train.lr=0..1 log"], "`log` needs `low` above 0"),
    (["tune.objective=fewest-parameters"], "fewest-parameters needs a bound"),
    (["tune.bound=0.5"], "--bound has no effect with objective loss"),
    (["tune.goal=max", "tune.objective=pareto"], "tune.goal has no effect with objective pareto"),
    (["tune.space.train.minutes=1..3"], "minutes cannot be searched"),
    (["train.minutes=2", "tune.cpus=1"], "train.minutes cannot limit them"),
    (["train.lr=0.1", "tune.space.train.lr=1e-3..1e-1"], "train.lr has a value and a search range"),
    (["tune.space.train.stages.last.lr=1e-3..1e-1"], "the model has no stage 'last'"),
    (["train.momentum=0.5"], "train.momentum has no effect with the optimizer adamw"),
    (["train.augment.pad=0", "train.augment.pad_mode=reflect"], "train.augment.pad_mode has no effect without a bo"),
    (["train.weight_decay=0", "train.decay_norm=1"], "train.decay_norm has no effect without weight decay"),
    (["train.weight_decay=0", "train.decoupled=true"], "train.decoupled has no effect without weight decay"),
    (["tune.sampler=random", "tune.startup=3"], "tune.startup has no effect with the sampler random"),
    (["tune.space.train.momentum={low: 0, high: 0.9, when: {train.optimizer: sgd}}"], "but that is adamw"),
]


@pytest.mark.parametrize(("words", "text"), NOT_TUNED)
def test_show_refuses_what_tune_refuses(words: list[str], text: str, capsys: Capture) -> None:
    for argv in (["tune", "cnn", *words, "--trials", "1"], ["show", "cnn", *words]):
        assert main(argv) == 2, argv
        assert text in capsys.readouterr().err
    assert not Path("runs").exists()


def test_show_refuses_a_stage_that_does_not_exist(capsys: Capture) -> None:
    for more in ([], ["--options"]):
        assert main(["show", "cnn", "train.stages.codec.lr=1", *more]) == 2
        err = capsys.readouterr().err
        assert "no stage 'codec'; its only stage is 'model', so set train.NAME=VALUE" in err


def test_an_option_is_used_where_what_it_needs_is_searched() -> None:
    words = ["train.momentum=0.5", "tune.space.train.optimizer=[adamw, sgd]"]
    momentum = next(each for each in zoo.show("cnn", words, measure=False).options if each.name == "train.momentum")
    assert momentum.value == 0.5


def test_a_study_refuses_seconds_between_checkpoints(capsys: Capture) -> None:
    assert main(["tune", "cnn", "train.save_seconds=5", "--trials", "1"]) == 2
    assert "train.save_seconds has no effect on a study" in capsys.readouterr().err


NOT_MEASURED = [
    (["cnn", "train.epochs=3"], "train.epochs has no effect on the speed of a training; leave it out"),
    (["cnn", "train.stages.model.epochs=3"], "train.stages.model.epochs has no effect on the speed of a training"),
    (["cnn", "train.minutes=3"], "train.minutes has no effect on the speed of a training"),
    (["cnn", "train.keep=last"], "train.keep has no effect on the speed of a training"),
    (["cnn", "train.init_from=cnn-1"], "train.init_from has no effect on the speed of a training"),
    (["cnn", "train.teacher=cnn-1"], "train.teacher has no effect on zoo bench, which measures without a teacher"),
    (["vq-vae", "train.freeze=codec.*"], "train.freeze leaves nothing to train in the stage 'codec'"),
    (["cnn", "train.stages.codec.lr=1"], "the model has no stage 'codec'"),
    (["cnn", "train.momentum=0.5"], "train.momentum has no effect with the optimizer adamw"),
    (
        ["vq-vae", "train.stages.prior.lr=1"],
        "train.stages.prior.lr has no effect on the speed of the stage 'codec', which is what is measured",
    ),
]


@pytest.mark.parametrize(("words", "text"), NOT_MEASURED)
def test_bench_refuses_what_it_does_not_measure(words: list[str], text: str, capsys: Capture) -> None:
    assert main(["bench", *words, "--seconds", "0.1"]) == 2
    assert text in capsys.readouterr().err


def test_bench_takes_the_batch_of_the_stage_that_it_measures() -> None:
    small = ["model.width=8", "model.levels=[3, 3]", "prior.width=8", "prior.layers=1", "data.limit=40"]
    assert zoo.bench("vq-vae", *small, "train.stages.codec.batch=7", device="cpu", seconds=0.1).batch == 7


@pytest.mark.parametrize("word", ["train.momentum=0.3,0.9", "train.momentum=0.3"])
def test_a_comparison_refuses_what_no_variant_uses(word: str, capsys: Capture) -> None:
    assert main(["compare", "cnn", "model.blocks=2,3", word]) == 2
    assert "train.momentum has no effect with the optimizer adamw" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_comparison_takes_what_one_variant_uses() -> None:
    small = ["model.blocks=2", "model.first=4", "model.last=8", "model.head=1", "data.limit=40", "train.epochs=1"]
    found = zoo.compare("cnn", "train.optimizer=adamw,sgd", "train.momentum=0.3", *small, device="cpu")
    assert [run.state for run in found.runs] == ["done", "done"]


def test_show_needs_nothing_to_search(capsys: Capture) -> None:
    assert main(["show", "vae-cifar10", "--options"]) == 0
    every = [option.name for option in zoo.show("cnn", measure=False).options if option.search]
    fixed = [f"{name}={zoo_value(name)}" for name in every]
    assert not [option for option in zoo.show("cnn", fixed, measure=False).options if option.search]


def zoo_value(name: str) -> str:
    """The value of an option in the entry `cnn`."""
    return next(str(option.value) for option in zoo.show("cnn", measure=False).options if option.name == name)


def test_the_epochs_that_were_typed_are_trained() -> None:
    small = ["model.width=8", "model.levels=[3, 3]", "prior.width=8", "prior.layers=1", "data.limit=40"]
    done = zoo.train("vq-vae", *small, "train.epochs=1", out="run", device="cpu")
    assert done.epochs == 2
    rows = [(row["stage"], row["epoch"]) for row in zoo.load("run").log()]
    assert rows == [("codec", 1), ("prior", 1)]


NO_EFFECT = [
    (["reconstruct", "{run}", "a.png", "-n", "3"], "-n has no effect where pictures are named"),
    (["evaluate", "{run}", "--data-name", "mine"], "--data-name has no effect without --record"),
    (["evaluate", "{run}", "--judge", "inception"], "is not a generator, so there are no samples to judge"),
    (["evaluate", "{run}", "data.limit=20"], "data.limit has no effect on the test split"),
    (["evaluate", "{run}", "data.valid=0.3"], "data.valid has no effect on the test split"),
    (["predict", "{run}", "a.png", "--split", "valid"], "--split has no effect on pictures in files"),
    (["check", "digits", "--rules"], "digits has no effect on the list of rules"),
]


@pytest.mark.parametrize(("argv", "text"), NO_EFFECT)
def test_a_flag_without_effect_is_refused(run: Path, argv: list[str], text: str, capsys: Capture) -> None:
    assert main([word.format(run=run) for word in argv]) == 2
    assert text in capsys.readouterr().err


def test_prediction_takes_a_split_of_data(run: Path, capsys: Capture) -> None:
    assert main(["predict", str(run), "--data", "digits", "--split", "valid", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("valid:0 ")
    assert len(lines) == 1 + len(zoo.predict(run, data="digits", split="valid", device="cpu").predictions)


@pytest.mark.parametrize("word", ["train.epochs=3", "tune.trials=2", "train.lr=1"])
def test_evaluation_refuses_options_of_the_training(run: Path, word: str, capsys: Capture) -> None:
    assert main(["evaluate", str(run), word]) == 2
    assert f"{word.partition('=')[0]} has no effect on {run}, which is trained" in capsys.readouterr().err


def test_python_takes_data_and_refuses_two(home: Path) -> None:
    from tests.cli.test_runs import picture

    for label, colour in (("cat", "white"), ("dog", "black")):
        for number in range(10):
            picture(home / "pets" / label / f"{number}.png", colour=colour)
    tiny = [*TINY[1:], "train.augment.pad=0"]
    done = zoo.train("cnn", *tiny, data=home / "pets", out="run", device="cpu")
    assert zoo.load(done.run).info.classes == ("cat", "dog")
    assert zoo.evaluate(done.run, data="pets", device="cpu").pictures == 4
    assert len(zoo.predict(done.run, data="pets", device="cpu").predictions) == 20
    assert zoo.show("cnn", data="pets", measure=False).spec["data"]["kind"] == "folder"
    with pytest.raises(ZooError, match="named twice"):
        zoo.train("cnn", "data.path=elsewhere", data="pets")
    with pytest.raises(ZooError, match="set the same option"):
        zoo.train("cnn", "train.seed=1", seed=2)
