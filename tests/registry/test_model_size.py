"""Sizes of models, and models that do not fit the classes of the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from samples import BLUE, RED, encoded, write

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import DataError, MissingError
from zoo.core.types import DataInfo
from zoo.registry.listing import load_entry
from zoo.registry.model_size import count_size

TEN = """
from zoo import ModelKind, Spec, hookimpl

class Options(Spec):
    shape: str = "ten"
    '''What the scores look like.'''

def build(spec, info):
    import torch
    from zoo.models import Classifier
    class Ten(Classifier):
        def __init__(self):
            super().__init__(info)
            self.layer = torch.nn.Linear(info.shape[0] * info.shape[1] * info.shape[2], 10)
            if spec.shape == "no meta":
                self.layer.bias.sum().item()
        def logits(self, x):
            if spec.shape == "by value" and x.mean().item() > 9:
                x = x - 9
            found = self.layer(x.flatten(1))
            return found[:1] if spec.shape == "one row" else found[:, None] if spec.shape == "3d" else found
    return Ten()

@hookimpl
def zoo_models():
    yield ModelKind("ten", Options, build)
"""


@pytest.fixture
def ten(install: Install, home: Path) -> Path:
    """The entry `ten`, of a classifier that always gives ten scores; a folder with pictures of two classes."""
    install("ten", TEN, harmless=True)
    Path("registry.yaml").write_text("version: 1\nentries:\n  ten: {model: {kind: ten}}\n", encoding="utf-8")
    for name, colour in (("red", RED), ("blue", BLUE)):
        for number in range(8):
            write(home / "two" / name / f"{number}.png", encoded(colour))
    return home / "two"


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("ten", "10 scores"),
        ("no meta", "10 scores"),
        ("by value", "10 scores"),
        ("one row", "scores of shape (1, 10)"),
        ("3d", "scores of shape (2, 1, 10)"),
    ],
)
def test_a_plugin_with_other_scores_than_classes_is_refused(
    ten: Path, shape: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "ten", f"model.shape={shape}", "--data", str(ten), "--device", "cpu"]) == 4
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        f"error: plugin ten (zoo-ten 1.0): the model kind 'ten' gives {said} for 2 classes; "
        "report it to its authors; `zoo check ten` checks its rules"
    )
    assert not list(Path("runs").glob("*/run.json"))


@pytest.mark.parametrize("command", [zoo.show, zoo.bench])
def test_other_commands_refuse_it_too(ten: Path, command: Callable[..., object]) -> None:
    with pytest.raises(MissingError, match="gives 10 scores for 2 classes"):
        if command is zoo.show:
            zoo.show("ten", ["data.kind=folder", f"data.path={ten}"])
        else:
            zoo.bench("ten", "data.kind=folder", f"data.path={ten}", seconds=0.1, device="cpu")


@pytest.mark.usefixtures("ten")
def test_the_number_that_fits_is_trained() -> None:
    assert zoo.train("ten", "data.limit=50", "train.epochs=1", device="cpu").epochs == 1


ONE = DataInfo.of((1, 8, 8), ("all",))


@pytest.mark.parametrize("name", ["vae", "vae-nf", "vae-nf-transformer", "vq-vae"])
def test_a_generator_is_built_for_one_class(name: str) -> None:
    assert count_size(load_entry(name), ONE).parameters > 1000


@pytest.mark.parametrize("name", ["cnn", "timm-resnet10t"])
def test_a_classifier_of_one_class_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="all pictures are of one class, 'all'; a classifier needs at least two"):
        count_size(load_entry(name), ONE)


def test_a_generator_that_learns_from_a_classifier_is_refused_for_one_class() -> None:
    with pytest.raises(DataError, match="all pictures are of one class, but the classifier 'teacher', from which vae"):
        count_size(load_entry("vae", ["model.perceptual=1"]), ONE)
