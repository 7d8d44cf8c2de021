"""Building what plugins give: a mistake is one line that names its plugin; not everything can be built on meta."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from zoo.errors import MissingError, ResourceError

PLUGIN = """
from zoo import ModelKind, Spec, hookimpl

class Options(Spec):
    way: str = "item"
    '''What it does.'''

def build(spec, info):
    import torch
    from zoo.model import Classifier
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
    install("odd", PLUGIN)
    Path("registry.yaml").write_text("version: 1\nentries:\n  odd: {model: {kind: odd}}\n", encoding="utf-8")


@pytest.mark.usefixtures("odd")
def test_a_model_that_the_meta_device_cannot_build_is_shown_and_trained() -> None:
    shown = zoo.show("odd")
    assert (shown["parameters"], shown["flops"]) == (64 * 5 + 5 + 5 * 10 + 10, None)
    assert zoo.train("odd", "train.epochs=1").epochs == 1


@pytest.mark.usefixtures("odd")
def test_what_a_plugin_raises_is_one_line_that_names_it() -> None:
    with pytest.raises(MissingError, match=r"plugin odd \(zoo-odd 1\.0\) cannot build 'odd': KeyError: 'oh'"):
        zoo.show("odd", ["model.way=raise"])
    with pytest.raises(ResourceError, match="out of memory"):
        zoo.train("odd", "model.way=memory")
