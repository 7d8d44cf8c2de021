"""The catalog: the kinds that the plugins give, by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from zoo.core.errors import MissingError, ZooError, did_you_mean
from zoo.registry.plugins.blocklist import OWN, Blocklist
from zoo.registry.plugins.discover import Plugin, discover


@dataclass
class Catalog:
    """The kinds of all plugins that work, the plugins, and notes on clashes."""

    plugins: list[Plugin]
    notes: list[str] = field(default_factory=list)
    found: dict[tuple[str, str], list[Plugin]] = field(default_factory=dict)
    """Those that give the kind of a family and a name."""

    def __post_init__(self) -> None:
        self.index()

    def index(self) -> None:
        """Note who gives what."""
        found: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
        for plugin in self.plugins:
            for kind in plugin.listed:
                found[kind.family, kind.name].append(plugin)
        for (family, name), givers in found.items():
            own = [giver for giver in givers if giver.distribution == OWN]
            if own and len(givers) > len(own):
                others = ", ".join(f"{self.handle(other)}:{name}" for other in givers if other not in own)
                note = f"{family} kind {name!r} is the zoo's own; the other one is {others}"
                self.notes += [note] if note not in self.notes else []
            self.found[family, name] = own or givers

    def handle(self, plugin: Plugin) -> str:
        """What stands before the colon of `plugin:kind`: the distribution where two plugins have the same name."""
        same = [other for other in self.plugins if other.name == plugin.name]
        return plugin.name if len(same) == 1 else plugin.distribution

    def names(self, family: str) -> list[str]:
        """The names of all kinds of one family."""
        return sorted(name for each, name in self.found if each == family)

    def find(self, family: str, name: str) -> tuple[Plugin, Any]:
        """The kind called `name`, `plugin:name` or `distribution:name`, with the plugin that gives it.

        A plugin that is not the zoo's own is imported for that.
        """
        _, _, bare = name.rpartition(":")
        givers = self.givers(family, name) or self.settled().givers(family, name)
        if not givers:
            raise self.missing(family, name)
        if len(givers) > 1:
            choices = ", ".join(f"{self.handle(plugin)}:{bare}" for plugin in givers)
            raise ZooError(f"{family} kind {name!r} is given by several plugins; choose one of {choices}")
        for kind in givers[0].kinds:
            if (kind.family, kind.name) == (family, bare):
                return givers[0], kind
        raise MissingError(givers[0].trouble or f"{givers[0]} gives the {family} kind {name!r} no more", PLUGINS_HINT)

    def givers(self, family: str, name: str) -> list[Plugin]:
        """The plugins that give a kind of that name."""
        giver, _, bare = name.rpartition(":")
        if not giver:
            return self.found.get((family, name), [])
        named = [plugin for plugin in self.plugins if giver in {self.handle(plugin), plugin.distribution}]
        return [plugin for plugin in named if (family, bare) in {kind[:2] for kind in plugin.listed}]

    def settled(self) -> Catalog:
        """The catalog with the verdicts of all probes, which are waited for."""
        for plugin in self.plugins:
            plugin.settle()
        self.index()
        return self

    def missing(self, family: str, name: str) -> ZooError:
        """The error for a kind that nobody gives; it names the plugins that are broken or blocked."""
        giver, hint = name.rpartition(":")[0], did_you_mean(name, self.names(family))
        troubled = [plugin for plugin in self.plugins if plugin.trouble]
        named = [plugin for plugin in troubled if giver in {plugin.name, plugin.distribution}]
        trouble = "; ".join(plugin.trouble for plugin in named or troubled)
        if trouble and ("did you mean" not in hint or any(plugin.blocked for plugin in troubled)):
            return MissingError(f"no {family} kind {name[:80]!r}; {trouble}", PLUGINS_HINT)
        return ZooError(f"no {family} kind {name[:80]!r}", hint)


PLUGINS_HINT = "see `zoo plugins`"


@cache
def catalog() -> Catalog:
    """The catalog of everything installed, made once a process."""
    plugins = discover()
    names = {name for plugin in plugins for name in (plugin.name, plugin.distribution)}
    return Catalog(plugins, Blocklist.asked().notes(names))
