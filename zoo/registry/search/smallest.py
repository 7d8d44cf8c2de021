"""The smallest model of a space: descent over the ends of its dimensions, one after the other; no Optuna here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from zoo.core.errors import ZooError
from zoo.registry.catalog import Catalog
from zoo.registry.entry import Entry
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.sections import CHOSEN
from zoo.registry.search.space import Space

ROUNDS = 4
Config = dict[str, Any]
Size = Callable[[Config], int]


def smallest(space: Space, size: Size) -> tuple[int, Config]:
    """The least size and its options, over all kinds; ZooError where no combination of ends is a model."""
    found: list[tuple[int, Config]] = []
    problem = ZooError("the space holds no model")
    for kinds in kinds_of(space):
        try:
            found.append(Descent(space, size, kinds).run())
        except ZooError as error:
            problem = error
    if not found:
        raise problem
    return min(found, key=lambda each: each[0])


def smallest_entry(space: Space, catalog: Catalog, entry: Entry, size: Callable[[Entry], int]) -> tuple[int, Config]:
    """The least size of an entry at the ends of the dimensions that make the model, and the options there."""
    return smallest(space, lambda config: size(space.apply(catalog, entry, config)))


def kinds_of(space: Space) -> Iterator[Config]:
    """Every combination of the kinds that are searched, by dimension."""
    searched = [one for one in space.dimensions if one.path in {f"{section}.kind" for section in CHOSEN}]
    for values in product(*(one.ends() for one in searched)):
        yield dict(zip((one.name for one in searched), values, strict=True))


class Descent:
    """One descent, with the kinds given."""

    def __init__(self, space: Space, size: Size, kinds: Config) -> None:
        self.space, self.size, self.picks = space, size, dict(kinds)
        self.free = [one for one in space.dimensions if one.name not in kinds and matters(space, one)]
        self.best: tuple[int, Config] | None = None
        self.problem: ZooError | None = None
        self.tried: list[Config] = []

    def run(self) -> tuple[int, Config]:
        """Change one dimension at a time as long as the model gets smaller."""
        self.smaller(self.picks)
        for _ in range(ROUNDS):
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


def matters(space: Space, dimension: Dimension) -> bool:
    """Whether a dimension makes the model, or decides whether one that does is searched."""
    if dimension.path.partition(".")[0] in CHOSEN:
        return True
    return any(dimension.path in other.when and matters(space, other) for other in space.dimensions)
