"""The search space of an entry: what its specs mark, changed by `tune.space`, without what the command line sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.registry.catalog import Catalog
from zoo.registry.entry import Entry, resolve
from zoo.registry.raw_entry import Raw
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.planner import plan
from zoo.registry.search.sections import CHOSEN

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


NOTHING = object()
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
        cls, catalog: Catalog, raw: Raw, entry: Entry, asked: Mapping[str, Any], fixed: Collection[str] = ()
    ) -> Space:
        """The space of an entry; `asked` is its `tune.space`, `fixed` are the options set on the command line."""
        return cls(*plan(catalog, raw, entry, asked, fixed))

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
        for section in CHOSEN:
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
        return self.own.get(name, NOTHING)

    @staticmethod
    def apply(catalog: Catalog, entry: Entry, config: Mapping[str, Any]) -> Entry:
        """The entry with drawn values; a section of another kind starts afresh. ZooError where a spec refuses them."""
        sections = {key: part for key, part in entry.dump().items() if key != "name"}
        for section in CHOSEN:
            kind = config.get(f"{section}.kind")
            if kind is not None and kind != sections[section]["kind"]:
                sections[section] = {"kind": kind}
        for path, value in config.items():
            put(sections, path.split("."), value)
        return replace(resolve(catalog, Raw(entry.name, sections, {})), tune=entry.tune)


def put(data: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a value in nested mappings."""
    *outer, last = keys
    for key in outer:
        data = data.setdefault(key, {})
    data[last] = value
