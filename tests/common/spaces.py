"""Search spaces of shipped entries and made-up ones, for the tests of the tuner."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import optuna

from zoo.core.spec import Choice, Range
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import read_registry
from zoo.registry.raw_entry import RawEntry
from zoo.registry.search.dimension import Dimension
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


FORMS = ["int", "int step", "int one", "int log", "int log step", "float", "log", "step", "one", "log step", "any"]


def made_up(random: Random, name: str) -> Dimension:
    """A dimension of any form."""
    form = random.choice(FORMS)
    if form == "any":
        return Dimension(name, Choice(*random.sample([None, True, 3, 0.5, "a", "b", "null"], 3)), name)
    log, gridded = "log" in form, "step" in form or "one" in form
    if "int" in form:
        first, each = random.randint(1 if log else -20, 40), random.randint(2, 7) if "step" in form else 1
        last = first + each * random.randint(1, 30) + random.randint(0, 1)
        return Dimension(name, Range(first, last, each if gridded else None, log), name, True)
    digits = random.randint(0, 5)
    step = 1.0 if "one" in form else random.randint(1, 9) / 10**digits
    low = random.randint(1 if log else -30, 60) / 10**digits
    high = round(low + step * (random.randint(1, 40) + random.choice([0, 0.5])), 6)
    return Dimension(name, Range(low, high, step if gridded else None, log), name)


def made_up_space(random: Random) -> Space:
    """Several dimensions, some of which wait for others."""
    switch = Dimension("switch", Choice("x", "y"), "switch")
    free = [made_up(random, f"d{place}") for place in range(4)]
    bound = [made_up(random, f"c{place}") for place in range(2)]
    bound = [Dimension(one.path, one.mark, one.name, one.integer, {"switch": ("x",)}) for one in bound]
    return Space((switch, *free, *bound), {}, {})


def check(one: Dimension, value: Any) -> None:
    """The value is exactly one of the dimension's and of its type; fractions, so that no float rounds it into place."""
    mark = one.mark
    if isinstance(mark, Choice):
        assert any(type(value) is type(each) and value == each for each in mark.values)
        return
    assert type(value) is (int if one.integer else float)
    assert mark.low <= value <= mark.high
    step = mark.step or (1 if one.integer else None)
    if step is not None:
        assert (Fraction(str(value)) - Fraction(str(mark.low))) % Fraction(str(step)) == 0, (one, value)
