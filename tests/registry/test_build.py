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
