"""The catalog: the kinds that the plugins give, by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from zoo.discovery import OWN, Plugin, discover
from zoo.errors import MissingError, ZooError, nearest
from zoo.kinds import Kind


@dataclass
class Catalog:
    """The kinds of all plugins that work, the plugins, and notes on clashes."""

    plugins: list[Plugin]
    notes: list[str] = field(default_factory=list)
    found: dict[tuple[str, str], list[tuple[Plugin, Kind]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found: dict[tuple[str, str], list[tuple[Plugin, Kind]]] = defaultdict(list)
        for plugin in self.plugins:
            for kind in plugin.kinds:
                found[kind.family, kind.name].append((plugin, kind))
        for (family, name), givers in found.items():
            own = [giver for giver in givers if giver[0].distribution == OWN]
            if own and len(givers) > len(own):
                others = ", ".join(f"{self.handle(p)}:{name}" for p, _ in givers if p.distribution != OWN)
                self.notes.append(f"{family} kind {name!r} is the zoo's own; the other one is {others}")
            self.found[family, name] = own or givers

    def handle(self, plugin: Plugin) -> str:
        """What stands before the colon of `plugin:kind`: the distribution where two plugins have the same name."""
        same = [other for other in self.plugins if other.name == plugin.name]
        return plugin.name if len(same) == 1 else plugin.distribution

    def names(self, family: str) -> list[str]:
        """The names of all kinds of one family."""
        return sorted(name for each, name in self.found if each == family)

    def find(self, family: str, name: str) -> tuple[Plugin, Any]:
        """The kind called `name`, `plugin:name` or `distribution:name`, with the plugin that gives it."""
        giver, _, bare = name.rpartition(":")
        givers = self.found.get((family, name), [])
        if giver:
            givers = [(p, k) for p in self.plugins for k in p.kinds if (k.family, k.name) == (family, bare)]
            givers = [(p, k) for p, k in givers if giver in {self.handle(p), p.distribution}]
        if not givers:
            raise self.missing(family, name)
        if len(givers) > 1:
            choices = ", ".join(f"{self.handle(plugin)}:{bare}" for plugin, _ in givers)
            raise ZooError(f"{family} kind {name!r} is given by several plugins; choose one of {choices}")
        return givers[0]

    def missing(self, family: str, name: str) -> ZooError:
        """The error for a kind that nobody gives; it names the plugins that are broken."""
        hint = nearest(name, self.names(family))
        broken = "; ".join(f"{plugin} is broken: {plugin.error}" for plugin in self.plugins if plugin.error)
        if broken and "did you mean" not in hint:
            return MissingError(f"no {family} kind {name[:80]!r}; {broken}", "see `zoo plugins`")
        return ZooError(f"no {family} kind {name[:80]!r}", hint)


@cache
def catalog() -> Catalog:
    """The catalog of everything installed, made once a process."""
    return Catalog(discover())
