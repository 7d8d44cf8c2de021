"""Rules of data kinds: pictures match `info`, cover every class and are reproducible."""

from __future__ import annotations

from typing import Any

from zoo.core.errors import DataError
from zoo.core.sections import DataSpec
from zoo.core.splits import SPLITS
from zoo.data.dataset import Loaded
from zoo.data.split import split
from zoo.registry.blame import plugin_errors
from zoo.registry.build import data_info
from zoo.registry.entry import Component
from zoo.registry.kinds import DataKind
from zoo.testing.building import spec_of
from zoo.testing.check import Subject
from zoo.testing.rule import Broken, require, rule


def component_of(subject: Subject) -> Component[DataKind[Any]]:
    """Combine the kind with its options."""
    return Component(subject.kind, subject.plugin, spec_of(subject), str(subject))


def load_data(subject: Subject) -> Loaded:
    """Load the data of the kind; raise Broken if it is not a Loaded."""
    with plugin_errors(component_of(subject), "load"):
        found = component_of(subject).kind.load(spec_of(subject))
    require(isinstance(found, Loaded), f"load returns a {type(found).__name__}, not a zoo.data.Loaded")
    return found


@rule("data")
def announced(subject: Subject) -> None:
    """`info` returns the shape, classes and captions of the pictures that `load` returns."""
    info, found = data_info(component_of(subject)), load_data(subject)
    declared = {"shape": tuple(info.shape), "classes": tuple(info.classes), "captions": tuple(info.captions)}
    actual = {
        "shape": tuple(found.train.x.shape[1:]),
        "classes": tuple(found.classes),
        "captions": tuple(found.captions),
    }
    for name, value in declared.items():
        require(value == actual[name], f"info returns {name} {value!r:.80}, load returns {actual[name]!r:.80}")


@rule("data")
def splits(subject: Subject) -> None:
    """It can be split into training, validation and test pictures, and the training pictures cover every class."""
    found, spec = load_data(subject), spec_of(subject)
    assert isinstance(spec, DataSpec), "discovery accepts no other data kinds"
    try:
        made = split(found, spec)
    except DataError as error:
        raise Broken(f"what `load` returns cannot be split: {error}") from error
    for name in SPLITS:
        require(len(getattr(made, name)), f"there are no {name} pictures")
    missing = [name for name in found.classes if name not in made.info.classes]
    require(not missing, f"no training picture of class {', '.join(map(repr, missing)):.80}")


@rule("data")
def same_pictures(subject: Subject) -> None:
    """Loaded again, the pictures and their order are the same."""
    first, second = load_data(subject).parts(), load_data(subject).parts()
    require(first.keys() == second.keys(), f"loading again gives the splits {', '.join(second)}")
    for name, part in first.items():
        same = part.fingerprint() == second[name].fingerprint()
        require(same, f"loading again gives different {name} pictures; use a seed that is an option")
