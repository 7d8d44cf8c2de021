"""The JSON schema accepts what the registry accepts, and refuses its commonest mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict

import zoo
from zoo import ModelKind, Spec
from zoo.core.yaml import parse
from zoo.registry.catalog import Catalog
from zoo.registry.json_schema import registry_schema
from zoo.registry.layers import shipped_registry
from zoo.registry.plugins.discover import Plugin
from zoo.registry.plugins.load import PluginContents

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = zoo.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def registry(text: str) -> Any:
    return parse(f"version: 1\n{text}", "registry.yaml").data


def test_the_shipped_registry_is_valid(validator: Any) -> None:
    validator.validate(parse(Path(shipped_registry()).read_text(encoding="utf-8"), "registry.yaml").data)


GOOD = [
    "entries: {a: {model: {kind: cnn, first: 8}}}",
    "entries: {a: {extends: cnn, model: {convolution: separable}, train: {lr: 1e-3}}}",
    "entries: {a: {extends: cnn, data: {kind: folder, path: pets, size: 32}}}",
    "entries: {a: {extends: cnn, data: {kind: 'data:parquet', path: [a.parquet, b.parquet]}}}",
    "entries: {a: {extends: cnn, train: {stages: {model: {epochs: 3}}, augment: {pad: 2, flip: alternate}}}}",
    "results: [{entry: cnn, of: 3f2a9c1b, metrics: {loss: 0.5}}]",
    "entries:",
]
BAD = [
    "entres: {}",
    "entries: {a: {summary: no model}}",
    "entries: {a: {model: {first: 8}}}",
    "entries: {a: {model: {kind: cnm}}}",
    "entries: {a: {model: {kind: cnn, firt: 8}}}",
    "entries: {a: {model: {kind: cnn, first: 0}}}",
    "entries: {a: {model: {kind: cnn, convolution: seperable}}}",
    "entries: {a: {extends: cnn, model: {firt: 8}}}",
    "entries: {a: {extends: cnn, train: {lr: fast}}}",
    "entries: {a: {extends: cnn, train: {augment: {pud: 2}}}}",
    "entries: {a: {extends: cnn, train: {stages: {model: {epoch: 3}}}}}",
    "entries: {a: {extends: cnn, data: {kind: digits, path: pets}}}",
    "entries: {a b: {extends: cnn}}",
    "entries: {a: {extends: cnn, modle: {first: 8}}}",
    "results: [{entry: cnn}]",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_registries_are_valid(validator: Any, text: str) -> None:
    validator.validate(registry(text))


@pytest.mark.parametrize("text", BAD)
def test_mistakes_are_refused(validator: Any, text: str) -> None:
    assert not validator.is_valid(registry(text))


def test_options_are_described(validator: Any) -> None:
    model = validator.schema["$defs"]["model-classifiers:cnn"]["properties"]
    assert model["first"]["description"].startswith("Channels after the first block")
    assert (model["first"]["minimum"], model["first"]["default"]) == (1, 46)


class Nested(Spec):
    """Options within options."""

    depth: int = 1


class Odd(Spec):
    """A spec with an option that JSON has no word for."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    call: Callable[[], int] = int


class Plain(Spec):
    """A spec with a nested one that is called like another's."""

    inner: Nested = Nested()


def test_third_party_kinds_are_told_apart_by_their_plugins() -> None:
    other = type("Nested", (Spec,), {"__annotations__": {"depth": str}, "depth": "deep", "__doc__": ""})
    clash: type[Spec] = type("Plain", (Spec,), {"__annotations__": {"inner": other}, "inner": other(), "__doc__": ""})
    specs: dict[str, list[tuple[str, type[Spec]]]] = {
        "one two": [("net", Plain), ("odd", Odd)],
        "acme": [("net", clash)],
    }
    kinds = {
        name: tuple(ModelKind(kind, spec, lambda spec, info: None) for kind, spec in given)  # type: ignore[arg-type,return-value]
        for name, given in specs.items()
    }
    plugins = [Plugin(name, name, "1", contents=PluginContents(given)) for name, given in kinds.items()]
    validator = jsonschema.Draft202012Validator(registry_schema(Catalog(plugins)))
    for text, valid in {
        "{kind: net}": False,
        "{kind: 'one two:net', inner: {depth: 3}}": True,
        "{kind: 'acme:net', inner: {depth: 3}}": False,
        "{kind: 'acme:net', inner: {depth: far}}": True,
        "{kind: odd, anything: 1}": True,
    }.items():
        assert validator.is_valid(registry(f"entries: {{a: {{model: {text}}}}}")) == valid, text
