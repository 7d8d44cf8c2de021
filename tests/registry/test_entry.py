"""Entries: there and back, what the hash covers, and messages that a person understands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from packages import MOE

from tests.conftest import Install
from zoo.core.errors import MissingError, RunError, ZooError
from zoo.core.spec import Spec
from zoo.registry.entry import Entry, resolve_entry, restore_entry, with_train
from zoo.registry.layers import read_registry
from zoo.registry.listing import load_entry
from zoo.registry.raw_entry import RawEntry

S = TypeVar("S", bound=Spec)
pytestmark = pytest.mark.usefixtures("home")


def entry(*overrides: str, name: str = "cnn") -> Entry:
    """A shipped entry with overrides."""
    return resolve_entry(read_registry()[0].resolve(name, overrides))


def test_there_and_back() -> None:
    for name in read_registry()[0].entries:
        found = entry("train.stages.main.lr=1e-4", "data.limit=7", name=name)
        dumped = json.loads(json.dumps(found.dump()))
        again = restore_entry(dumped)
        assert again == found and again.dump() == dumped and again.hash() == found.hash()


@pytest.mark.parametrize(
    ("dumped", "expected"),
    [
        ([], "not an entry: it has no `name`"),
        ({}, "not an entry: it has no `name`"),
        ({"name": 3}, "not an entry: it has no `name`"),
        ({"name": "a", "words": {}}, "a has no section 'words'"),
        ({"name": "a", "model": {"kind": "cnn"}, "prior": {"kind": "normal"}}, "a.prior: the model kind 'cnn' has no"),
        ({"name": "a", "model": "cnn"}, "a.model must be a mapping"),
        ({"name": "a", "model": {"kind": "cnn"}, "train": 3}, "a.train: should be a mapping of options, got 3"),
        ({"name": "a", "model": {"kind": "cnn"}, "data": {"kind": 3}}, "a.data needs a `kind`"),
    ],
)
def test_what_is_no_entry(dumped: Any, expected: str) -> None:
    with pytest.raises(ZooError) as caught:
        restore_entry(dumped)
    assert str(caught.value).startswith(expected)


def other(spec: S) -> Iterator[tuple[str, S]]:
    """Every option of a spec by name, with a copy of the spec in which just that option has another value."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            for inner, copy in other(value):
                yield f"{name}.{inner}", spec.model_copy(update={name: copy})
        else:
            yield (
                name,
                spec.model_copy(update={name: "other" if value is None or isinstance(value, str) else changed(value)}),
            )


def changed(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, tuple):
        return (*value, {"kind": "mixup"})
    return {"main": {"lr": 0.1}} if isinstance(value, dict) else (not value) if isinstance(value, bool) else value + 1


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_what_the_hash_covers() -> None:
    found = entry()
    covered = {name: replace(found, train=spec).hash() != found.hash() for name, spec in other(found.train)}
    assert {name for name, yes in covered.items() if not yes} == {"seed", "save_seconds"}
    assert len(covered) > 20
    for name, spec in other(found.model.spec):
        assert replace(found, model=replace(found.model, spec=spec)).hash() != found.hash(), name
    for name, spec in other(found.data.spec):
        assert replace(found, data=replace(found.data, spec=spec)).hash() == found.hash(), name
    assert replace(found, summary="other", name="other").hash() == found.hash()
    assert entry("data.kind=folder", "data.path=x").hash() == found.hash()
    assert entry("model.first=47").hash() != found.hash()
    assert entry("train.seed=5").hash() == found.hash()


def test_the_spelling_of_a_kind_changes_no_hash() -> None:
    for kind in ("classifiers:cnn", "pixel-zoo:cnn"):
        spelt = entry(f"model.kind={kind}", "data.kind=pixel-zoo:digits")
        assert spelt.hash() == entry().hash() and spelt.dump()["model"]["kind"] == kind
        assert spelt.spelt_alike() == entry().spelt_alike() == entry().dump()
    spelt = entry("prior.kind=pixel-zoo:flow", "text.kind=pixel-zoo:classes", name="vae")
    assert spelt.hash() == entry("prior.kind=flow", name="vae").hash()


def test_a_kind_that_is_hidden_by_another_of_its_name_keeps_its_prefix(install: Install) -> None:
    install("rival", MOE.replace("'moe'", "'cnn'"))
    for kind in ("rival:cnn", "zoo-rival:cnn"):
        raw = RawEntry("a", {"model": {"kind": kind}}, {})
        assert resolve_entry(raw).spelt_alike()["model"]["kind"] == "rival:cnn"
    assert entry("model.kind=classifiers:cnn").hash() == entry().hash()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.augment.pad=x", "cnn.train.augment.pad: should be int 0..256 | auto, got 'x'"),
        ("train.augment.pad=-1", "cnn.train.augment.pad: should be int 0..256 | auto, got -1"),
        (
            "train.augment.flip=maybe",
            "cnn.train.augment.flip: should be true | false | auto | alternate | auto-alternate, got 'maybe'",
        ),
        ("train.augment=3", "cnn.train.augment: should be a mapping of options, got 3"),
        ("train.augment.foo=1", "cnn.train.augment.foo is not an option; known: brightness, contrast, cutout, flip, "),
        ("train.lr=fast", "cnn.train.lr: input should be a valid number, got 'fast'"),
        ("train.epochs=true", "cnn.train.epochs: should be int 1..100000, got true"),
        ("train.lr=false", "cnn.train.lr: should be number >0..100, got false"),
        ("train.clip=true", "cnn.train.clip: should be number 0.., got true"),
        ("train.augment.pad=true", "cnn.train.augment.pad: should be int 0..256 | auto, got true"),
        ("train.stages.main.epochs=true", "cnn.train.stages.main.epochs: should be int"),
        ("data.limit=true", "cnn.data.limit: should be int"),
        ("train.lr={a: 1}", "cnn.train.lr: input should be a valid number"),
        ("train.epochs=1.5", "cnn.train.epochs: input should be a valid integer, got a number with a fractional part"),
        ("train.stages=3", "cnn.train.stages: should be a mapping of options, got 3"),
        ("train.stages.main=3", "cnn.train.stages.main: should be a mapping of options, got 3"),
        ("train.stages.main.lr=5000", "cnn.train.stages.main.lr: input should be less than or equal to 100, got 5000"),
        ("train.stages.main.sede=1", "cnn.train.stages.main.sede is not an option"),
        ("train.optimizer=adam", "cnn.train.optimizer: input should be 'adamw', 'sgd' or 'muon', got 'adam'"),
        ("train.epoch=1", "cnn.train.epoch is not an option; did you mean 'train.epochs'?"),
        ("train.qqq=1", "cnn.train.qqq is not an option; see `zoo show cnn --options`"),
        ("model.bias=[1]", "cnn.model.bias: input should be a valid boolean, got [1]"),
        ("model.kind=3", "cnn.model needs a `kind`; see `zoo plugins`"),
        ("data.limit=0", "cnn.data.limit: input should be greater than or equal to 1, got 0"),
        ("data.limit=x", "cnn.data.limit: input should be a valid integer, got 'x'"),
        ("data.valid=0.9", "cnn.data: data.valid and data.test together must be less than 1"),
        ("data.kind=folder", "cnn.data.path is required ("),
        ("data.kind=nowhere:digits", "cnn.data: no data kind 'nowhere:digits'"),
    ],
)
def test_messages(override: str, expected: str) -> None:
    with pytest.raises(ZooError) as caught:
        entry(override)
    assert str(caught.value).startswith(f"command line: {expected}")
    assert caught.value.code == 2
    assert len(str(caught.value)) < 400


def test_data_is_digits_unless_it_says_otherwise() -> None:
    raw = RawEntry("a", {"model": {"kind": "cnn"}, "data": {"limit": 5}}, {})
    found = resolve_entry(raw)
    assert (found.data.name, found.data.dump()["limit"]) == ("digits", 5)


def test_with_train() -> None:
    assert with_train(entry(), seed=7) == entry("train.seed=7")
    with pytest.raises(
        ZooError, match=r"^command line: cnn\.train\.seed: input should be greater than or equal to 0, got -1"
    ):
        with_train(entry(), seed=-1)


BAD_SPEC = """
from typing import Any, TypeVar
import zoo
from pydantic import field_validator
class Options(zoo.Spec):
    width: int = 3
    thing: Any = None
    @field_validator('width')
    @classmethod
    def odd(cls, value): return {3: 3}[value]
class Strange(Options):
    def model_post_init(self, context): object.__setattr__(self, 'thing', object())
@zoo.hookimpl
def zoo_models():
    yield zoo.ModelKind('odd', Options, print)
    yield zoo.ModelKind('strange', Strange, print)
"""


@pytest.mark.parametrize(
    ("model", "cause"),
    [({"kind": "odd", "width": 4}, "KeyError: 4"), ({"kind": "strange"}, "PydanticSerializationError: ")],
)
def test_a_spec_with_a_bug_is_the_fault_of_its_plugin(model: dict[str, Any], cause: str, install: Install) -> None:
    install("odd", BAD_SPEC)
    with pytest.raises(MissingError, match=r"^a\.model: plugin odd \(zoo-odd 1\.0\) failed to validate it: ") as caught:
        resolve_entry(RawEntry("a", {"model": model}, {}))
    assert cause in str(caught.value)
    assert not isinstance(caught.value, RunError)


def test_options_of_a_stage_go_together_with_the_common_ones() -> None:
    with pytest.raises(ZooError, match=r"train\.stages\.prior, with the common options: .*lookahead"):
        load_entry("vq-vae", ["train.stages.prior.lookahead=5"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mixup p=0.5 p.x=1", "'p' of mixup is given as a value and as options"),
        ("mixup kind=cutmix", "'kind=cutmix' is not an option of mixup"),
    ],
)
def test_augmentations_that_contradict_themselves(text: str, expected: str) -> None:
    with pytest.raises(ZooError, match=expected):
        load_entry("cnn", [f"train.augment.then={text}"])
