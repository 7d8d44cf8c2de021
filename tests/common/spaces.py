"""Search spaces of shipped entries, for the tests of the tuner."""

from __future__ import annotations

from typing import Any

import optuna

from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import read_registry
from zoo.registry.raw_entry import RawEntry
from zoo.registry.search.space import Space

KINDS = {"model.kind": ["cnn", "timm"], "model.architecture": ["resnet10t", "resnet18"]}


def get(*overrides: str, name: str = "cnn") -> tuple[RawEntry, Entry]:
    """A shipped entry with overrides, raw and resolved."""
    raw = read_registry()[0].resolve(name, overrides)
    return raw, resolve_entry(raw)


def space(asked: dict[str, Any], *fixed: str, overrides: tuple[str, ...] = ()) -> Space:
    """The space of `cnn`."""
    raw, entry = get(*overrides)
    return Space.of(raw, entry, asked, fixed)


def only(*paths: str) -> dict[str, Any]:
    """A `tune.space` that takes all other dimensions of `cnn` out."""
    return {name: None for name in space({}).describe() if name not in paths}


def ask(sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
    """The first trial of a study."""
    return optuna.create_study(sampler=sampler).ask()


def first_ends(wanted: Space, **picks: Any) -> dict[str, Any]:
    """What would be drawn with some values given and the first of all others."""
    return wanted.assign(lambda one: picks.get(one.name.replace(".", "_"), one.bounds()[0]))
