"""Search spaces: what `tune.space` may say, what it may not, and the entries and the smallest model of a space."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from spaces import KINDS, ask, first_ends, get, only, space

from zoo.core.errors import ZooError
from zoo.core.sections import TuneSpec
from zoo.registry.build import data_info
from zoo.registry.entry import Entry
from zoo.registry.model_size import count_size
from zoo.registry.search.space import Space, smallest_entry
from zoo.tuning.ledger import make_sampler

pytestmark = pytest.mark.usefixtures("home")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_the_space_needs_no_optuna() -> None:
    code = "import sys, zoo.registry.search.space; sys.exit(bool({'optuna', 'torch', 'ray'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_marks_of_the_specs_are_searched_in_their_order() -> None:
    words = space({}).describe()
    assert list(words)[:4] == ["model.blocks", "model.first", "model.last", "model.final"]
    assert words["model.first"] == "16..96 log" and words["train.optimizer"] == "adamw | sgd | muon"
    assert not [name for name in words if name.startswith(("data", "tune"))] and len(words) == len(space({}))


@pytest.mark.parametrize(
    "asked",
    [
        {"model.first": {"low": 32, "high": 48, "step": 2}},
        {"model": {"first": {"low": 32, "high": 48, "step": 2}}},
        {"model": {"first": {"low": 32, "high": 48}}, "model.first": {"step": 2}},
        {"model.first": "32..48 step 2"},
        {"model.first": {"low": 32.0, "high": 48, "step": 2, "log": False, "when": {}}},
    ],
)
def test_a_mark_may_be_written_in_many_ways(asked: dict[str, Any]) -> None:
    assert space(asked).describe()["model.first"] == "32..48 step 2"
    assert space(asked).describe() == space({}).describe() | {"model.first": "32..48 step 2"}


def test_marks_are_replaced_added_and_removed() -> None:
    asked = {
        "model.norm": ["before", "after"],
        "model.bias": [True, False],
        "model.last": None,
        "model": {"head": None},
    }
    before, after = space({}).describe(), space(asked | {"train": {"augment": {"pad": ["auto", 2]}}}).describe()
    assert {key: after[key] for key in after if after[key] != before.get(key)} == {
        "model.norm": "before | after",
        "model.bias": "true | false",
        "train.augment.pad": "auto | 2",
    }
    assert before.keys() - after.keys() == {"model.last", "model.head"}


def test_what_the_command_line_sets_is_not_searched() -> None:
    found = space({"train.augment.pad": [2, 4]}, "model.first", "train.augment", "train.lr").describe()
    assert (
        space({}).describe().keys() - found.keys() == {"model.first", "train.lr"} and "train.augment.pad" not in found
    )


def test_the_command_line_lies_over_a_file_however_both_are_written() -> None:
    for body in ("model.first: {low: 20, high: 30}", "model: {first: {low: 20, high: 30}}"):
        Path("registry.yaml").write_text(
            f"version: 1\nentries:\n  mine:\n    extends: cnn\n    tune: {{space: {{{body}}}}}\n", encoding="utf-8"
        )
        raw, entry = get("tune.space.model.first.high=24", "tune.space.model.last=8..16", name="mine")
        words = Space.of(raw, entry, entry.tune.space, ()).describe()
        assert (words["model.first"], words["model.last"]) == ("20..24", "8..16")
    raw, entry = get("tune.space.model.first=3..5", name="mine")
    assert Space.of(raw, entry, entry.tune.space, ()).describe()["model.first"] == "3..5"


def test_values_have_the_type_of_their_option() -> None:
    wanted = space(only() | {"model.ratio": [None, 1], "model.bias": [True, False], "train.clip": "0..4 step 1"})
    assert [one.bounds() for one in wanted.dimensions] == [(None, 1.0), (True, False), (0.0, 4.0)]
    assert [type(value) for one in wanted.dimensions for value in one.bounds()][1:] == [float, bool, bool, float, float]


def test_a_stage_of_the_training_may_be_searched() -> None:
    raw, entry = get("tune.space.train.stages.prior.lr=1e-5..1e-3 log", "train.stages.prior.epochs=3")
    wanted = Space.of(raw, entry, entry.tune.space, ())
    config = first_ends(wanted)
    assert config["train.stages.prior.lr"] == 1e-5
    tuned = wanted.apply(entry, config)
    assert (tuned.train.stage("prior").lr, tuned.train.stage("prior").epochs) == (1e-5, 3)


def test_nothing_to_search() -> None:
    with pytest.raises(ZooError) as caught:
        space(only())
    assert str(caught.value) == "nothing to search in cnn; set tune.space"


def test_a_condition_on_what_is_drawn() -> None:
    asked = only("train.optimizer") | {
        "train.momentum": {"low": 0.8, "high": 0.99, "when": {"train.optimizer": ["sgd", "muon"]}}
    }
    wanted = space(asked)
    assert wanted.describe() == {
        "train.optimizer": "adamw | sgd | muon",
        "train.momentum": "0.8..0.99 when train.optimizer = sgd | muon",
    }
    assert first_ends(wanted) == {"train.optimizer": "adamw"}
    assert first_ends(wanted, train_optimizer="sgd") == {"train.optimizer": "sgd", "train.momentum": 0.8}


def test_a_condition_on_the_entrys_own_value() -> None:
    asked = only("model.head") | {
        "model.ratio": {"low": 0.5, "high": 2, "when": {"model": {"convolution": "separable"}}}
    }
    assert "model.ratio" not in first_ends(space(asked))
    assert "model.ratio" in first_ends(space(asked, overrides=("model.convolution=separable",)))


def test_a_dimension_is_drawn_after_those_it_waits_for() -> None:
    asked = only("model.blocks", "model.head", "train.lr")
    asked |= {"model.blocks": "3..8", "model.first": {"low": 8, "high": 9, "when": {"train.lr": 1e-4}}}
    wanted = space(asked | {"model.blocks": {"low": 3, "high": 8, "when": {"model.first": [8]}}})
    assert [one.path for one in wanted.dimensions] == ["model.head", "train.lr", "model.first", "model.blocks"]
    assert set(first_ends(wanted)) == {"model.head", "train.lr", "model.first", "model.blocks"}
    assert set(first_ends(wanted, train_lr=1e-2)) == {"model.head", "train.lr"}
    assert set(first_ends(wanted, model_first=9)) == {"model.head", "train.lr", "model.first"}


def test_a_condition_on_a_stage_falls_back_on_the_training() -> None:
    asked = only("train.optimizer") | {"train.clip": {"low": 0, "high": 1, "when": {"train.stages.a.optimizer": "sgd"}}}
    assert "train.clip" not in first_ends(space(asked))
    assert "train.clip" in first_ends(space(asked), train_optimizer="sgd")
    assert "train.clip" in first_ends(space(asked, overrides=("train.stages.a.optimizer=sgd",)))


def test_the_kind_of_a_section_may_be_searched() -> None:
    wanted = space(only("model.first", "model.label_smoothing", "train.lr") | KINDS | {"model.stem": None})
    words = wanted.describe()
    assert list(words)[:3] == ["model.kind", "model[cnn].first", "model[cnn].label_smoothing"]
    assert words["model.kind"] == "cnn | timm" and words["model[timm].architecture"] == "resnet10t | resnet18"
    assert "model[timm].label_smoothing" in words and "model[timm].first" not in words
    assert set(first_ends(wanted)) == {"model.kind", "model.first", "model.label_smoothing", "train.lr"}
    other = first_ends(wanted, model_kind="timm")
    assert other["model.architecture"] == "resnet10t" and "model.first" not in other and "train.lr" in other


def test_another_kind_starts_afresh_and_the_own_kind_goes_on_from_the_entry() -> None:
    raw, entry = get("model.residual=true", "model.label_smoothing=0.125")
    wanted = Space.of(raw, entry, KINDS, {"model.residual", "model.label_smoothing"})
    assert {"model[cnn].label_smoothing", "model[timm].label_smoothing"}.isdisjoint(wanted.describe())
    own = wanted.apply(entry, first_ends(wanted))
    other = wanted.apply(entry, first_ends(wanted, model_kind="timm"))
    assert (own.name, own.model.name, own.model.dump()["residual"]) == ("cnn", "cnn", True)
    assert (other.name, other.model.name) == ("cnn", "timm")
    assert other.model.dump()["label_smoothing"] == own.model.dump()["label_smoothing"] == 0.125
    assert other.train.epochs == entry.train.epochs and other.data == entry.data and other.tune == entry.tune


def test_conditions_know_the_kinds() -> None:
    asked = only("train.lr") | KINDS
    asked |= {"train.clip": {"low": 0, "high": 1, "when": {"model.kind": "timm"}}}
    asked |= {"train.ema": {"low": 0, "high": 0.5, "when": {"model.pooling": "fractional"}}}
    asked |= {"train.warmup": {"low": 0, "high": 0.5, "when": {"model.stem": "auto"}}}
    asked |= {"model.label_smoothing": {"when": {"model.kind": "timm"}, "low": 0, "high": 0.1}}
    wanted = space(asked)
    assert "model[cnn].label_smoothing" not in wanted.describe()
    cnn, timm = first_ends(wanted), first_ends(wanted, model_kind="timm")
    assert {"train.clip", "train.warmup"}.isdisjoint(cnn) and "train.ema" in cnn
    assert {"train.clip", "train.warmup"} <= timm.keys() and "train.ema" not in timm
    assert timm["model.label_smoothing"] == 0.0


def test_kinds_do_not_clash_in_a_study() -> None:
    wanted = space(KINDS | {"model.label_smoothing": "0..0.1"})
    study = optuna.create_study()
    kinds = set()
    for number in range(12):
        study.sampler = make_sampler(TuneSpec(startup=4), number)
        trial = study.ask()
        config = wanted.sample(trial)
        kinds.add(config["model.kind"])
        assert f"model[{config['model.kind']}].label_smoothing" in trial.params
        study.tell(trial, float(number))
    assert kinds == {"cnn", "timm"}


def test_apply_gives_the_entry_with_what_was_drawn() -> None:
    raw, entry = get()
    wanted = Space.of(raw, entry, {"train.augment.pad": [0, 2]}, ())
    for number in range(20):
        config = wanted.sample(ask(make_sampler(TuneSpec(sampler="random"), number)))
        tuned = wanted.apply(entry, config)
        dumped = tuned.dump()
        for path, value in config.items():
            found: Any = dumped
            for part in path.split("."):
                found = found[part]
            assert found == value and type(found) is type(value)
        assert (tuned.name, tuned.data, tuned.tune) == (entry.name, entry.data, entry.tune)
        assert tuned.train.epochs == entry.train.epochs
    assert entry == get()[1]


def test_apply_refuses_what_the_spec_refuses() -> None:
    with pytest.raises(ZooError, match=r"model\.ratio needs model\.convolution=separable"):
        Space.apply(get()[1], {"model.ratio": 0.5, "model.convolution": "full"})


def by(*names: str) -> Callable[[Entry], int]:
    """A made-up size: the product of some options."""

    def size(entry: Entry) -> int:
        product = 1
        for name in names:
            product *= entry.model.dump()[name]
        return product

    return size


def test_the_smallest_model_of_a_space() -> None:
    raw, entry = get()
    info = data_info(entry.data)
    wanted = Space.of(raw, entry, {}, ())
    parameters, config = smallest_entry(wanted, entry, lambda each: count_size(each, info).parameters)
    assert (config["model.blocks"], config["model.first"], config["model.head"]) == (3, 16, 0)
    assert config["model.convolution"] == "separable" and config["model.norm"] == "none"
    assert not [path for path in config if path.startswith("train")]
    assert parameters == count_size(wanted.apply(entry, config), info).parameters < 20_000
    for number in range(10):
        drawn = wanted.apply(entry, wanted.sample(ask(make_sampler(TuneSpec(sampler="random"), number))))
        assert count_size(drawn, info).parameters > parameters


def test_the_smallest_model_skips_what_is_refused_and_follows_conditions() -> None:
    raw, entry = get()
    asked = only("model.first", "model.convolution", "train.optimizer") | {"model.ratio": [1, 0.5]}
    wanted = Space.of(raw, entry, asked, ())
    assert smallest_entry(wanted, entry, by("first"))[1]["model.convolution"] == "separable"
    asked |= {"model.ratio": None, "model.last": {"low": 4, "high": 8, "when": {"train.optimizer": "sgd"}}}
    wanted = Space.of(raw, entry, asked, ())
    size, config = smallest_entry(wanted, entry, by("first", "last"))
    assert (size, config["train.optimizer"], config["model.last"]) == (16 * 4, "sgd", 4)
    with pytest.raises(ZooError, match="ratio needs"):
        smallest_entry(
            Space.of(raw, entry, only("model.first") | {"model.ratio": [1, 0.5]}, ()),
            entry,
            by("first"),
        )


def test_the_smallest_model_over_all_kinds() -> None:
    raw, entry = get()
    wanted = Space.of(raw, entry, only("model.first") | KINDS, ())
    sizes = {"resnet10t": 9, "resnet18": 7}

    def size(each: Entry) -> int:
        options = each.model.dump()
        return sizes[options["architecture"]] if options["kind"] == "timm" else 10 + int(options["first"])

    least, config = smallest_entry(wanted, entry, size)
    assert least == 7 and config["model.kind"] == "timm" and config["model.architecture"] == "resnet18"


def test_the_search_of_a_kind_that_is_replaced_falls_away() -> None:
    raw, entry = get(name="vae")
    assert "prior.components" in Space.of(raw, entry, entry.tune.space, []).describe()
    raw, entry = get("prior.kind=student-t", name="vae")
    found = Space.of(raw, entry, entry.tune.space, ["prior.kind"]).describe()
    assert {"model.latent", "train.batch"} <= found.keys()
    own = {name for name in found if name.startswith("prior.")}
    assert own and "prior.components" not in own, "what student-t itself marks"
    raw, entry = get("prior.kind=vamp", "tune.space.prior.components=2..3", name="vae")
    assert Space.of(raw, entry, entry.tune.space, []).describe()["prior.components"] == "2..3"
