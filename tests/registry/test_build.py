"""Building what plugins give: a mistake is one line that names its plugin; not everything can be built on meta."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import bad
import pytest

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import MissingError, ResourceError
from zoo.core.types import DataInfo
from zoo.models import Model
from zoo.registry.build import build_model, data_info
from zoo.registry.listing import load_entry

PLUGIN = """
from zoo import ModelKind, Spec, hookimpl

class Options(Spec):
    way: str = "item"
    '''What it does.'''

def build(spec, info):
    import torch
    from zoo.models import Classifier
    if spec.way == "raise":
        raise KeyError("oh")
    if spec.way == "memory":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
    class Net(Classifier):
        def __init__(self):
            super().__init__(info)
            self.width = [int(w.item()) for w in torch.linspace(3, 5, 2)][1]
            self.layer = torch.nn.Linear(64, self.width)
            self.head = torch.nn.Linear(self.width, 10)
        def logits(self, x):
            return self.head(self.layer(x.flatten(1)))
    return Net()

@hookimpl
def zoo_models():
    yield ModelKind("odd", Options, build)
"""


@pytest.fixture
def odd(install: Callable[..., Path]) -> None:
    """The entry `odd`, of a plugin of that name."""
    install("odd", PLUGIN, harmless=True)
    Path("registry.yaml").write_text("version: 1\nentries:\n  odd: {model: {kind: odd}}\n", encoding="utf-8")


@pytest.mark.usefixtures("odd")
def test_a_model_that_the_meta_device_cannot_build_is_shown_and_trained() -> None:
    shown = zoo.show("odd")
    assert (shown.parameters, shown.flops) == (64 * 5 + 5 + 5 * 10 + 10, None)
    assert zoo.train("odd", "train.epochs=1").epochs == 1


@pytest.mark.usefixtures("odd")
def test_what_a_plugin_raises_is_one_line_that_names_it() -> None:
    with pytest.raises(MissingError, match=r"plugin odd \(zoo-odd 1\.0\) cannot build 'odd': KeyError: 'oh'"):
        zoo.show("odd", ["model.way=raise"])
    with pytest.raises(ResourceError, match="out of memory"):
        zoo.train("odd", "model.way=memory")


NONSENSE = """
import zoo

class Options(zoo.Spec):
    pass

class DataOptions(zoo.DataSpec):
    announced: bool = False
    '''Whether the shape is right.'''

def info(spec):
    return zoo.DataInfo.of((1, 8, 8), ("cat", "dog")) if spec.announced else {"shape": (1, 8, 8)}

@zoo.hookimpl
def zoo_data():
    yield zoo.DataKind("nonsense", DataOptions, lambda spec: [1, 2], info)

@zoo.hookimpl
def zoo_priors():
    yield zoo.PriorKind("nonsense", Options, lambda spec, code: None)

@zoo.hookimpl
def zoo_text():
    yield zoo.TextKind("nonsense", Options, lambda spec, info: "text")
"""


def built(*overrides: str) -> Model:
    """The model of `vae` with overrides."""
    return build_model(load_entry("vae", overrides), DataInfo.of((1, 8, 8), ("cat", "dog")))


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            lambda: data_info(load_entry("cnn", ["data.kind=nonsense"]).data),
            "inspect 'nonsense': .* a dict, not a DataInfo",
        ),
        (
            lambda: zoo.train("cnn", "data.kind=nonsense", "data.announced=true", device="cpu"),
            "load 'nonsense': .* a list, not a Loaded",
        ),
        (lambda: built("prior.kind=nonsense"), "build 'nonsense': .* a NoneType, not a Prior"),
        (lambda: built("prior.kind=flow", "text.kind=nonsense"), "build 'nonsense': .* a str, not a TextEncoder"),
    ],
)
def test_a_plugin_that_returns_nonsense_is_named_in_one_line(
    command: Callable[[], object], says: str, install: Install
) -> None:
    install("odd", NONSENSE, harmless=True)
    with pytest.raises(MissingError, match=rf"^plugin odd \(zoo-odd 1\.0\) cannot {says}"):
        command()


FAULTY = (
    bad.PLUGIN
    + """
def careless(spec, info):
    import torch
    from zoo.models import Classifier

    class Careless(Classifier):
        def __init__(self):
            super().__init__(info)
            self.layer = torch.nn.Linear(3, 10)

        def logits(self, x):
            wide = self.layer.weight.sum() * torch.ones(len(x), 9, 9)
            return self.layer(x.flatten(1)) if spec.how == "fine" else wide

    return Careless()

@zoo.hookimpl(specname="zoo_models")
def more():
    yield zoo.ModelKind("careless", How, careless, "a classifier")
"""
)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("fine", r"failed during training: RuntimeError: mat1 and mat2 shapes .* \(plugin_faulty.py:\d+\)"),
        ("wrong", r": the model kind 'careless' gives scores of shape \(2, 9, 9\) for 10 classes"),
    ],
)
def test_a_model_that_fails_at_work_names_its_plugin(
    how: str, says: str, install: Install, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = install("faulty", FAULTY)
    path.with_name("bad-entries.yaml").write_text("version: 1\nentries: {}\n", encoding="utf-8")
    (home / "registry.yaml").write_text("version: 1\nentries: {mine: {model: {kind: careless}}}\n", encoding="utf-8")
    assert main(["train", "mine", f"model.how={how}", "--device", "cpu"]) == 4
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.match(rf"error: plugin faulty \(zoo-faulty 1.0\) ?{says}", said), said
    assert "`zoo check faulty`" in said
