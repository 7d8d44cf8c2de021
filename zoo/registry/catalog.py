"""The catalog: the kinds that plugins provide, by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple, overload

from zoo.core.errors import MissingError, ZooError, did_you_mean
from zoo.registry.kinds import (
    AugmentKind,
    CallbackKind,
    DataKind,
    JudgeKind,
    MetricKind,
    ModelKind,
    PriorKind,
    TextKind,
)
from zoo.registry.plugins.blocklist import OWN, Blocklist
from zoo.registry.plugins.discover import Plugin, discover
from zoo.registry.weights import Weights


class ShippedWeights(NamedTuple):
    """Weights, and the plugin that ships them."""

    weights: Weights
    plugin: Plugin


@dataclass
class Catalog:
    """All plugins and the kinds they provide, with notes on name clashes."""

    plugins: list[Plugin]
    notes: list[str] = field(default_factory=list)
    providers: dict[tuple[str, str], list[Plugin]] = field(default_factory=dict)
    """The plugins that provide a kind, by family and name."""

    def __post_init__(self) -> None:
        self.index_kinds()

    def index_kinds(self) -> None:
        """Index the kinds by family and name; the zoo's own kinds take precedence."""
        found: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
        for plugin in self.plugins:
            for kind in plugin.kind_summaries:
                found[kind.family, kind.name].append(plugin)
        for (family, name), providers in found.items():
            own = [provider for provider in providers if provider.distribution == OWN]
            if own and len(providers) > len(own):
                others = ", ".join(f"{self.prefix(other)}:{name}" for other in providers if other not in own)
                note = f"{family} kind {name!r} means the zoo's own; the other one is {others}"
                self.notes += [note] if note not in self.notes else []
            self.providers[family, name] = own or providers

    def prefix(self, plugin: Plugin) -> str:
        """Return the prefix for `plugin:kind`: the plugin name, or the distribution if not unique."""
        same = [other for other in self.plugins if other.name == plugin.name]
        return plugin.name if len(same) == 1 else plugin.distribution

    def shortest_name(self, plugin: Plugin, family: str, name: str) -> str:
        """Return the bare name of a plugin's kind, with a prefix only where the name alone means another kind too."""
        others = {str(each) for each in self.providers_of(family, name)} - {str(plugin)}
        return f"{self.prefix(plugin)}:{name}" if others else name

    def names(self, family: str) -> list[str]:
        """Return the names of all kinds of a family."""
        return sorted(name for each, name in self.providers if each == family)

    def weights(self, entry: str = "") -> list[ShippedWeights]:
        """List the weights that plugins ship, of one entry or of all; of two with the same name, the first.

        The zoo's own come first.
        """
        found: dict[str, ShippedWeights] = {}
        for plugin in self.plugins:
            for each in plugin.weights:
                if not entry or each.entry == entry:
                    found.setdefault(each.name, ShippedWeights(each, plugin))
        return list(found.values())

    @overload
    def find(self, family: Literal["model"], name: str) -> tuple[Plugin, ModelKind[Any]]: ...
    @overload
    def find(self, family: Literal["prior"], name: str) -> tuple[Plugin, PriorKind[Any]]: ...
    @overload
    def find(self, family: Literal["text"], name: str) -> tuple[Plugin, TextKind[Any]]: ...
    @overload
    def find(self, family: Literal["data"], name: str) -> tuple[Plugin, DataKind[Any]]: ...
    @overload
    def find(self, family: Literal["metric"], name: str) -> tuple[Plugin, MetricKind[Any]]: ...
    @overload
    def find(self, family: Literal["judge"], name: str) -> tuple[Plugin, JudgeKind[Any]]: ...
    @overload
    def find(self, family: Literal["augment"], name: str) -> tuple[Plugin, AugmentKind[Any]]: ...
    @overload
    def find(self, family: Literal["callback"], name: str) -> tuple[Plugin, CallbackKind[Any]]: ...
    @overload
    def find(self, family: str, name: str) -> tuple[Plugin, Any]: ...
    def find(self, family: str, name: str) -> tuple[Plugin, Any]:
        """Find the kind called `name`, `plugin:name` or `distribution:name`, and the plugin that provides it.

        A third-party plugin is imported for that.
        """
        _, _, bare = name.rpartition(":")
        providers = self.providers_of(family, name) or self.wait_for_probes().providers_of(family, name)
        if not providers:
            raise self.missing(family, name)
        if len(providers) > 1:
            choices = ", ".join(f"{self.prefix(plugin)}:{bare}" for plugin in providers)
            raise ZooError(f"{family} kind {name!r} is provided by several plugins; choose one of {choices}")
        for kind in providers[0].kinds:
            if (kind.family, kind.name) == (family, bare):
                return providers[0], kind
        gone = f"{providers[0]} no longer provides the {family} kind {name!r}"
        raise MissingError(providers[0].trouble or gone, PLUGINS_HINT)

    def providers_of(self, family: str, name: str) -> list[Plugin]:
        """Return the plugins that provide a kind of a name."""
        provider, _, bare = name.rpartition(":")
        if not provider:
            return self.providers.get((family, name), [])
        named = [plugin for plugin in self.plugins if provider in {self.prefix(plugin), plugin.distribution}]
        return [plugin for plugin in named if (family, bare) in {kind[:2] for kind in plugin.kind_summaries}]

    def wait_for_probes(self) -> Catalog:
        """Wait until all plugins have been probed, and return the catalog with their kinds."""
        for plugin in self.plugins:
            plugin.wait_for_probe()
        self.index_kinds()
        return self

    def missing(self, family: str, name: str) -> ZooError:
        """Make the error for an unknown kind; it names broken and blocked plugins."""
        provider, hint = name.rpartition(":")[0], did_you_mean(name, self.names(family))
        failing = [plugin for plugin in self.plugins if plugin.trouble]
        named = [plugin for plugin in failing if provider in {plugin.name, plugin.distribution}]
        trouble = "; ".join(plugin.trouble for plugin in named or failing)
        if trouble and ("did you mean" not in hint or any(plugin.blocked for plugin in failing)):
            return MissingError(f"no {family} kind {name[:80]!r}; {trouble}", PLUGINS_HINT)
        return ZooError(f"no {family} kind {name[:80]!r}", hint)


PLUGINS_HINT = "see `zoo plugins`"


@cache
def catalog() -> Catalog:
    """Return the catalog of all installed plugins, made once per process."""
    plugins = discover()
    names = {name for plugin in plugins for name in (plugin.name, plugin.distribution)}
    return Catalog(plugins, Blocklist.from_environment().unknown_name_notes(names))
