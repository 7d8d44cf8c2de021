"""Mistakes in `tune.space`: each is one line with its place and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from spaces import get, space

from tests.conftest import Install
from zoo.core.errors import ZooError
from zoo.registry.search.space import Space

pytestmark = pytest.mark.usefixtures("home")


def refused(*overrides: str) -> str:
    """The line with which the space of `cnn` is refused."""
    raw, entry = get(*overrides)
    with pytest.raises(ZooError) as caught:
        Space.of(raw, entry, entry.tune.space, ())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.frist=1..2", "model.frist: no option 'model.frist'; did you mean 'model.first'?"),
        ("data.limit=[1, 2]", "data: options of data cannot be searched"),
        ("tune.trials=[1, 2]", "tune: options of tune cannot be searched"),
        ("model=3", "model: model is a group of options, not an option; e.g. model.blocks"),
        (
            "train.stages.prior=3",
            "train.stages.prior: train.stages.prior is a group of options, not an option; e.g. train.stages.prior.lr",
        ),
        (
            "train.stages.a.rl=1..2",
            "train.stages.a.rl: no option 'train.stages.a.rl'; did you mean 'train.stages.a.lr'?",
        ),
        ("model.first={low: 48, high: 32}", "model.first: `low` should be below `high`, got 48 and 32"),
        ("model.first=1..5000", "model.first: input should be less than or equal to 4096, got 5000"),
        ("model.first={low: 32}", "model.first: a range needs `low` and `high`"),
        ("model.first={low: 32, hihg: 4}", "model.first: a search range has no key 'hihg'; did you mean 'high'?"),
        ("model.first={low: a, high: 4}", "model.first: `low` should be a number, got 'a'"),
        ("model.first=1.5..4", "model.first: the bounds and the step must be whole numbers, got 1.5..4"),
        ("model.first=1..4 step 5", "model.first: with this step 1..4 step 5 has only one value"),
        ("model.first=1..4 step 0", "model.first: `step` should be above 0, got 0"),
        ("model.kernel=3..7", "model.kernel: input should be 1, 3, 5, 7, 9 or 11, got 4"),
        ("model.norm=[before, befor]", "model.norm: input should be 'none', 'before' or 'after', got 'befor'"),
        ("model.norm=[before]", "model.norm: a choice needs at least two values"),
        ("model.norm=[none, none]", "model.norm: none is listed twice"),
        (
            "model.norm={choice: none}",
            "model.norm: `choice` should be a list of values, without `low`, `high`, `step` and `log`",
        ),
        ("train.lr={low: 0.1, high: 1, log: 2}", "train.lr: `log` should be true or false, got 2"),
        ("train.lr=0..1 log", "train.lr: `log` needs `low` above 0, got 0"),
        ("train.augment.pad=[auto, -1]", "train.augment.pad: should be int 0..256 | auto, got -1"),
        ("model.kind=[cnn, tim]", "model.kind: no model kind 'tim'; did you mean 'timm'?"),
        ("model.kind=[cnn, cnn]", "model.kind: cnn is listed twice"),
        ("model.kind=1..2", "model.kind: should be a list of kinds"),
        ("model.kind=[1, 2]", "model.kind: a kind must be a string, got 1"),
        ("model.head={when: 3}", "model.head: `when` should be a mapping of options to values, got 3"),
        (
            "model.head={when: {model.nrom: none}}",
            "model.head.when.model.nrom: no option 'model.nrom'; did you mean 'model.norm'?",
        ),
        (
            "model.head={when: {model: {norm: [none, no]}}}",
            "model.head.when.model.norm: input should be 'none', 'before' or 'after', got 'no'",
        ),
        (
            "train.lr=1e-300..1 step 1e-300",
            "train.lr: 1e-300..1 step 1e-300 has about 1e300 values, more than 1,000,000; use a larger step",
        ),
        (
            "train.augment.pad=0..1e300",
            "train.augment.pad: 0..1e+300 has about 1e300 values, more than 1,000,000; use a larger step",
        ),
        (
            "train.seed=0..99999999",
            "train.seed: 0..99999999 has 100,000,000 values, more than 1,000,000; use a larger step",
        ),
    ],
)
def test_mistakes_are_one_line(override: str, expected: str) -> None:
    assert refused(f"tune.space.{override}") == f"command line: cnn.tune.space.{expected}"


def test_mistakes_that_are_long_or_between_options() -> None:
    line = refused("tune.space.model.first=3")
    assert line.startswith("command line: cnn.tune.space.model.first: should be {low, high}") and line.endswith("got 3")
    assert "a range needs a numeric option" in refused("tune.space.model.bias=0..1")
    conditions = ["tune.space.model.head={when: {model.first: 32}}", "tune.space.model.first={when: {model.head: 2}}"]
    circle = "cnn.tune.space: the conditions are circular: model.first, model.head"
    assert refused(*conditions) == f"command line: {circle}"


def test_the_place_of_a_mistake_in_a_file() -> None:
    Path("registry.yaml").write_text(
        "version: 1\nentries:\n  mine:\n    extends: cnn\n    tune:\n      space:\n"
        "        model.norm: [before, after]\n        model.first:\n          low: 32\n          high: 9999\n",
        encoding="utf-8",
    )
    raw, entry = get(name="mine")
    with pytest.raises(ZooError) as caught:
        Space.of(raw, entry, entry.tune.space, ())
    expected = "registry.yaml:8: mine.tune.space.model.first: input should be less than or equal to 4096, got 9999"
    assert str(caught.value) == expected


BAD_MARK = """
from typing import Annotated
from pydantic import Field
from zoo import ModelKind, Range, Spec, hookimpl

class Options(Spec):
    size: Annotated[int, Field(le=4), Range(1, 8)] = 2
    '''Too wide a mark.'''

@hookimpl
def zoo_models():
    yield ModelKind("wide", Options, lambda spec, info: None)
"""


def test_a_plugins_own_mark_is_checked(install: Install) -> None:
    install("wide", BAD_MARK)
    Path("registry.yaml").write_text("version: 1\nentries:\n  wide: {model: {kind: wide}}\n", encoding="utf-8")
    raw, entry = get(name="wide")
    with pytest.raises(ZooError) as caught:
        Space.of(raw, entry, {}, ())
    assert str(caught.value) == "wide.model.size: its search range: input should be less than or equal to 4, got 5"
    assert "model.size" in Space.of(raw, entry, {"model.size": "1..4"}, ()).describe()


NEEDY = """
from zoo import ModelKind, Spec, hookimpl

class Options(Spec):
    size: int
    '''It must be given.'''

@hookimpl
def zoo_models():
    yield ModelKind("needy", Options, lambda spec, info: None)
"""


def test_a_kind_that_needs_an_option_says_so(install: Install) -> None:
    install("needy", NEEDY)
    expected = "cnn: the kind 'needy' needs model.size; give it a search range in tune.space"
    assert refused("tune.space.model.kind=[cnn, needy]") == expected
    assert "model[needy].size" in space({"model.kind": ["cnn", "needy"], "model.size": "1..4"}).describe()
