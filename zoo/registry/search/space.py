"""The search space of an entry, and the smallest model in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from zoo.core.errors import ZooError
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.raw_entry import RawEntry, set_nested
from zoo.registry.search.augments import open_list
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.planner import plan_space
from zoo.registry.search.sections import KIND_SECTIONS

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


MISSING = object()
"""Stands for the value of an option that the sampled kind does not have."""


@dataclass(frozen=True)
class Space:
    """The search space of a study: its dimensions, and the values of all other options."""

    dimensions: tuple[Dimension, ...]
    """In sampling order: each dimension comes after those that it depends on."""
    defaults: Mapping[str, Any]
    """Values of options that are not sampled; options of other kinds have their name in the study."""
    overrides: Mapping[str, Mapping[str, Any]]
    """Command-line overrides that also apply to kinds other than the entry's, by `model[kind]`."""

    @classmethod
    def of(cls, raw: RawEntry, entry: Entry, requested: Mapping[str, Any], fixed: Collection[str] = ()) -> Space:
        """Build the search space of an entry.

        `requested` is its `tune.space`; `fixed` are the options set on the command line.
        """
        return cls(*plan_space(raw, entry, requested, fixed))

    def __len__(self) -> int:
        """Return the number of dimensions."""
        return len(self.dimensions)

    def describe(self) -> dict[str, str]:
        """Describe the range of each dimension, by its name in the study."""
        return {dimension.name: dimension.describe() for dimension in self.dimensions}

    def sample(self, trial: BaseTrial) -> dict[str, Any]:
        """Sample the options of a trial, by dotted path."""
        return self.assign(lambda dimension: dimension.suggest(trial))

    def assign(self, value: Callable[[Dimension], Any], among: Collection[str] | None = None) -> dict[str, Any]:
        """Assign a value to every active dimension, or to those in `among`, by dotted path."""
        sampled: dict[str, Any] = {}
        for dimension in self.dimensions:
            if (among is None or dimension.name in among) and self.is_active(dimension, sampled):
                sampled[dimension.path] = value(dimension)
        for section in KIND_SECTIONS:
            sampled |= self.overrides.get(f"{section}[{sampled.get(f'{section}.kind')}]", {})
        return sampled

    def fix(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters, as Optuna names them, with which `sample` gives a config that `assign` returned."""
        fixed: dict[str, Any] = {}

        def keep(dimension: Dimension) -> Any:
            name, value = dimension.fix(config[dimension.path])
            fixed[name] = value
            return config[dimension.path]

        self.assign(keep)
        return fixed

    def is_active(self, dimension: Dimension, sampled: Mapping[str, Any]) -> bool:
        """Return whether the conditions of a dimension are met by the values sampled so far."""
        return all(self.value(path, sampled) in values for path, values in dimension.when.items())

    def value(self, path: str, sampled: Mapping[str, Any]) -> Any:
        """Return the sampled value of an option, or else its default."""
        if path in sampled:
            return sampled[path]
        section, _, option = path.partition(".")
        if path.startswith("train.stages.") and path not in self.defaults:
            return self.value(f"train.{option.rpartition('.')[2]}", sampled)  # a stage inherits the options of `train`
        kind = sampled.get(f"{section}.kind", self.defaults.get(f"{section}.kind"))
        name = path if kind == self.defaults.get(f"{section}.kind") else f"{section}[{kind}].{option}"
        return self.defaults.get(name, MISSING)

    @staticmethod
    def apply(entry: Entry, config: Mapping[str, Any]) -> Entry:
        """Return the entry with sampled values.

        A section whose kind changes drops its former options. Raises ZooError if a spec rejects a value.
        """
        sections = {key: part for key, part in entry.dump().items() if key != "name"}
        for section in KIND_SECTIONS:
            kind = config.get(f"{section}.kind")
            if kind is not None and kind != sections[section]["kind"]:
                sections[section] = {"kind": kind}
        for path, value in open_list(sections, config).items():
            set_nested(sections, path.split("."), value)
        return replace(resolve_entry(RawEntry(entry.name, sections, {})), tune=entry.tune)


MAX_ROUNDS = 4
Config = dict[str, Any]
Size = Callable[[Config], int]


def smallest_config(space: Space, size: Size) -> tuple[int, Config]:
    """Find the smallest size over all kinds and its options.

    Raises ZooError if no combination of range bounds gives a valid model.
    """
    found: list[tuple[int, Config]] = []
    problem = ZooError("no model fits the search space")
    for kinds in kind_combinations(space):
        try:
            found.append(CoordinateDescent(space, size, kinds).run())
        except ZooError as error:
            problem = error
    if not found:
        raise problem
    return min(found, key=lambda each: each[0])


def smallest_entry(space: Space, entry: Entry, size: Callable[[Entry], int]) -> tuple[int, Config]:
    """Find the smallest size of an entry in its space, and its options."""
    return smallest_config(space, lambda config: size(space.apply(entry, config)))


def kind_combinations(space: Space) -> Iterator[Config]:
    """Yield every combination of the kinds that are searched, by dimension."""
    searched = [one for one in space.dimensions if one.path in {f"{section}.kind" for section in KIND_SECTIONS}]
    for values in product(*(one.bounds() for one in searched)):
        yield dict(zip((one.name for one in searched), values, strict=True))


class CoordinateDescent:
    """Coordinate descent over the bounds of all dimensions that affect the size, for given kinds."""

    def __init__(self, space: Space, size: Size, kinds: Config) -> None:
        self.space, self.size, self.current = space, size, dict(kinds)
        self.searched = [one for one in space.dimensions if one.name not in kinds and affects_size(space, one)]
        self.best: tuple[int, Config] | None = None
        self.problem: ZooError | None = None
        self.tried: list[Config] = []

    def run(self) -> tuple[int, Config]:
        """Change one dimension at a time as long as the model gets smaller."""
        self.accept_if_smaller(self.current)
        for _ in range(MAX_ROUNDS):
            before = self.best
            for dimension in self.searched:
                self.improve(dimension)
            if self.best is before:
                break
        if self.best is None:
            raise self.problem or ZooError("no model fits the search space")
        return self.best

    def improve(self, dimension: Dimension) -> None:
        """Set one dimension to the bound that gives the smallest model."""
        for bound in dimension.bounds():
            values = self.current | {dimension.name: bound}
            if self.accept_if_smaller(values):
                self.current = values

    def accept_if_smaller(self, values: Config) -> bool:
        """Record these values if they give the smallest model so far; return whether they do.

        Values that a spec rejects do not count.
        """
        names = {one.name for one in self.searched} | values.keys()
        config = self.space.assign(lambda one: values.get(one.name, one.bounds()[0]), names)
        if config in self.tried:
            return False
        self.tried.append(config)
        try:
            found = self.size(config)
        except ZooError as error:
            self.problem = self.problem or error
            return False
        if self.best is not None and found >= self.best[0]:
            return False
        self.best = (found, config)
        return True


def affects_size(space: Space, dimension: Dimension) -> bool:
    """Return whether a dimension changes the model, or activates a dimension that does."""
    if dimension.path.partition(".")[0] in KIND_SECTIONS:
        return True
    return any(dimension.path in other.when and affects_size(space, other) for other in space.dimensions)
