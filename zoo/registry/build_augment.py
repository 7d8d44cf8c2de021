"""Build the further augmentations of an entry."""

from __future__ import annotations

from typing import Any

from zoo.core.errors import MissingError
from zoo.core.sections import TrainSpec
from zoo.core.types import DataInfo
from zoo.data.augment import Augment, Mix
from zoo.data.augmenter import Augmenter, Step
from zoo.registry.augments import find_augment
from zoo.registry.blame import plugin_errors
from zoo.registry.entry import Component


def build_augmenter(spec: TrainSpec, info: DataInfo) -> Augmenter | None:
    """Build the further augmentations of a training; None if there are none."""
    if not spec.augment.then:
        return None
    return Augmenter([build_step(item, info) for item in spec.augment.then], len(info.classes), spec.seed)


def build_step(item: dict[str, Any], info: DataInfo) -> Step:
    """Build one augmentation of a list; ZooError if it does not fit the pictures."""
    plugin, kind, _ = find_augment(item["kind"])
    options = kind.spec.model_validate({key: value for key, value in item.items() if key != "kind"})
    with plugin_errors(Component(kind, plugin, options, item["kind"]), "build"):
        augment = kind.build(options, info)
    if not isinstance(augment, Mix if kind.mixes else Augment):
        text = f"{plugin}: the augmentation kind {kind.name!r} builds a {type(augment).__name__}"
        raise MissingError(text, f"report it to its authors; `zoo check {kind.name}` checks its rules")
    return Step(augment, options.p, bool(kind.alternate and getattr(options, kind.alternate)))
