"""The search space of an entry, and the smallest model in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from zoo.core.errors import ZooError
from zoo.registry.catalog import Catalog
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.raw_entry import RawEntry
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.planner import plan_space
from zoo.registry.search.sections import KIND_SECTIONS

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


MISSING = object()
"""Instead of the value of an option that the drawn kind has not."""


@dataclass(frozen=True)
class Space:
    """Where `zoo tune` looks."""

    dimensions: tuple[Dimension, ...]
    """In the order in which they are drawn: after those that they depend on."""
    own: Mapping[str, Any]
    """Values of options that are not drawn; those of kinds that are not the entry's by their name in the study."""
    carried: Mapping[str, Mapping[str, Any]]
    """What the command line sets of kinds that are not the entry's, by `model[kind]`."""

    @classmethod
    def of(
        cls, catalog: Catalog, raw: RawEntry, entry: Entry, asked: Mapping[str, Any], fixed: Collection[str] = ()
    ) -> Space:
        """The space of an entry; `asked` is its `tune.space`, `fixed` are the options set on the command line."""
        return cls(*plan_space(catalog, raw, entry, asked, fixed))

    def __len__(self) -> int:
        """How many dimensions there are."""
        return len(self.dimensions)

    def words(self) -> dict[str, str]:
        """What is searched, in words, by the names of the study."""
        return {dimension.name: dimension.words() for dimension in self.dimensions}

    def draw(self, trial: BaseTrial) -> dict[str, Any]:
        """The options of a trial, by dotted path."""
        return self.walk(lambda dimension: dimension.suggest(trial))

    def walk(self, value: Callable[[Dimension], Any], among: Collection[str] | None = None) -> dict[str, Any]:
        """A value for every dimension (of those named, where some are) whose conditions hold."""
        drawn: dict[str, Any] = {}
        for dimension in self.dimensions:
            if (among is None or dimension.name in among) and self.holds(dimension, drawn):
                drawn[dimension.path] = value(dimension)
        for section in KIND_SECTIONS:
            drawn |= self.carried.get(f"{section}[{drawn.get(f'{section}.kind')}]", {})
        return drawn

    def holds(self, dimension: Dimension, drawn: Mapping[str, Any]) -> bool:
        """Whether the conditions of a dimension hold."""
        return all(self.value(path, drawn) in values for path, values in dimension.when.items())

    def value(self, path: str, drawn: Mapping[str, Any]) -> Any:
        """The value of an option, drawn or its own."""
        if path in drawn:
            return drawn[path]
        section, _, option = path.partition(".")
        if path.startswith("train.stages.") and path not in self.own:
            return self.value(f"train.{option.rpartition('.')[2]}", drawn)  # a stage has what the training has
        kind = drawn.get(f"{section}.kind", self.own.get(f"{section}.kind"))
        name = path if kind == self.own.get(f"{section}.kind") else f"{section}[{kind}].{option}"
        return self.own.get(name, MISSING)

    @staticmethod
    def apply(catalog: Catalog, entry: Entry, config: Mapping[str, Any]) -> Entry:
        """The entry with drawn values; a section of another kind starts afresh. ZooError where a spec refuses them."""
        sections = {key: part for key, part in entry.dump().items() if key != "name"}
        for section in KIND_SECTIONS:
            kind = config.get(f"{section}.kind")
            if kind is not None and kind != sections[section]["kind"]:
                sections[section] = {"kind": kind}
        for path, value in config.items():
            set_nested(sections, path.split("."), value)
        return replace(resolve_entry(catalog, RawEntry(entry.name, sections, {})), tune=entry.tune)


def set_nested(data: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a value in nested mappings."""
    *outer, last = keys
    for key in outer:
        data = data.setdefault(key, {})
    data[last] = value


MAX_ROUNDS = 4
Config = dict[str, Any]
Size = Callable[[Config], int]


def smallest_config(space: Space, size: Size) -> tuple[int, Config]:
    """The least size and its options, over all kinds; ZooError where no combination of ends is a model."""
    found: list[tuple[int, Config]] = []
    problem = ZooError("the space holds no model")
    for kinds in kind_combinations(space):
        try:
            found.append(CoordinateDescent(space, size, kinds).run())
        except ZooError as error:
            problem = error
    if not found:
        raise problem
    return min(found, key=lambda each: each[0])


def smallest_entry(space: Space, catalog: Catalog, entry: Entry, size: Callable[[Entry], int]) -> tuple[int, Config]:
    """The least size of an entry at the ends of the dimensions that make the model, and the options there."""
    return smallest_config(space, lambda config: size(space.apply(catalog, entry, config)))


def kind_combinations(space: Space) -> Iterator[Config]:
    """Every combination of the kinds that are searched, by dimension."""
    searched = [one for one in space.dimensions if one.path in {f"{section}.kind" for section in KIND_SECTIONS}]
    for values in product(*(one.ends() for one in searched)):
        yield dict(zip((one.name for one in searched), values, strict=True))


class CoordinateDescent:
    """One descent, with the kinds given."""

    def __init__(self, space: Space, size: Size, kinds: Config) -> None:
        self.space, self.size, self.picks = space, size, dict(kinds)
        self.free = [one for one in space.dimensions if one.name not in kinds and affects_size(space, one)]
        self.best: tuple[int, Config] | None = None
        self.problem: ZooError | None = None
        self.tried: list[Config] = []

    def run(self) -> tuple[int, Config]:
        """Change one dimension at a time as long as the model gets smaller."""
        self.smaller(self.picks)
        for _ in range(MAX_ROUNDS):
            before = self.best
            for dimension in self.free:
                self.better(dimension)
            if self.best is before:
                break
        if self.best is None:
            raise self.problem or ZooError("the space holds no model")
        return self.best

    def better(self, dimension: Dimension) -> None:
        """Take the best end of one dimension."""
        for end in dimension.ends():
            picks = self.picks | {dimension.name: end}
            if self.smaller(picks):
                self.picks = picks

    def smaller(self, picks: Config) -> bool:
        """Whether these ends make a smaller model than any before; a combination that is refused does not."""
        names = {one.name for one in self.free} | picks.keys()
        config = self.space.walk(lambda one: picks.get(one.name, one.ends()[0]), names)
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
    """Whether a dimension makes the model, or decides whether one that does is searched."""
    if dimension.path.partition(".")[0] in KIND_SECTIONS:
        return True
    return any(dimension.path in other.when and affects_size(space, other) for other in space.dimensions)
