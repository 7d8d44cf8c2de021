"""Discover installed plugins; third-party ones are probed first and imported only when needed."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, distributions, entry_points
from importlib.resources.abc import Traversable

from zoo.registry.hooks import PROJECT
from zoo.registry.kinds import Kind
from zoo.registry.plugins.blocklist import OPTION, OWN, Blocklist
from zoo.registry.plugins.load import PluginContents, load_plugin
from zoo.registry.plugins.probe import IMPORT_TIMEOUT, RESULT_GRACE, Probes, wait_seconds
from zoo.registry.plugins.probe_cache import KindSummary, ProbeRecord, ProbeResult, code_location
from zoo.registry.weights import Weights


@dataclass(eq=False)
class Plugin:
    """An entry point of group `zoo` and its state."""

    name: str
    distribution: str
    version: str
    error: str = ""
    contents: PluginContents | None = field(default_factory=PluginContents)
    """Kinds, registry files and weights; None while the plugin is not imported."""
    probe_result: ProbeResult = field(default_factory=ProbeResult)
    blocked: str = ""
    """The option or variable that blocks it; empty if none does."""
    point: EntryPoint | None = None
    pending_probe: tuple[Probes, ProbeRecord] | None = None
    """Its probe, while that is running."""

    @property
    def state(self) -> str:
        """`ok`, `broken` if it cannot be loaded, or `blocked` if it must not be loaded."""
        return "blocked" if self.blocked else "broken" if self.error else "ok"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that it provides; imports the plugin if necessary."""
        return self.load().kinds

    @property
    def registries(self) -> tuple[Traversable, ...]:
        """Its registry files; imports the plugin if it has any."""
        return self.load().registries if self.contents or self.probe_result.registries else ()

    @property
    def weights(self) -> tuple[Weights, ...]:
        """The weights that it ships; imports the plugin if there are any."""
        return self.load().weights if self.contents or self.probe_result.weights else ()

    @property
    def kind_summaries(self) -> tuple[KindSummary, ...]:
        """The kinds that it provides, for a listing; does not import the plugin."""
        if self.contents is None:
            return self.probe_result.kinds
        return tuple(KindSummary(kind.family, kind.name, kind.summary) for kind in self.contents.kinds)

    @property
    def location(self) -> str:
        """The path of its code; empty if unknown."""
        return code_location(self.point) if self.point else ""

    @property
    def probe_record(self) -> ProbeRecord:
        """The record of its probe result, for its files as they are now."""
        assert self.point
        return ProbeRecord.of(self.point, (self.distribution, self.version))

    @property
    def trouble(self) -> str:
        """Why it provides nothing, as a sentence; empty if it works."""
        if self.blocked:
            return f"plugin {self.name} is blocked by {self.blocked}"
        return f"{self} is broken: {self.error}" if self.error else ""

    def load(self) -> PluginContents:
        """Import the plugin if necessary and return its contents; sets `error` on failure."""
        if self.contents is None and self.point:
            began = time.monotonic()
            self.contents, self.error = load_plugin(self.point, self.distribution == OWN)
            took = {"seconds": round(time.monotonic() - began, 3), "level": self.contents.level}
            self.probe_result = self.probe_result.model_copy(update=took)
        return self.contents or PluginContents()

    def wait_for_probe(self) -> None:
        """Wait for its probe to finish, up to about a minute."""
        if self.pending_probe:
            self.pending_probe[0].wait(IMPORT_TIMEOUT + RESULT_GRACE, [self.pending_probe[1]])
            self.update_from_probe(*self.pending_probe)

    def update_from_probe(self, probes: Probes, record: ProbeRecord) -> None:
        """Take over the result of a probe, or note why there is none."""
        running = probes.running  # read first: a probe that ends now has already written its result
        result, self.pending_probe = record.read(), None
        if result:
            self.set_probe_result(result)
        elif probes.failed:
            self.error, self.contents = "", None
            self.load()
        elif running:
            self.pending_probe = (probes, record)
            text = f"it has not finished importing within {wait_seconds():g} s"
            self.error = f"{text}; try again, or ignore it with {OPTION} {self.name}"
        else:
            self.error = "its probe left no result; try again, and check whether the disk is full"

    def set_probe_result(self, result: ProbeResult) -> None:
        """Take over what a probe found; the plugin is imported later, when it is needed."""
        self.probe_result, self.error = result, result.error
        self.contents = PluginContents() if result.error else None

    def __str__(self) -> str:
        return f"plugin {self.name} ({self.distribution} {self.version})"


def discover() -> list[Plugin]:
    """Find every installed plugin, the zoo's own first."""
    blocklist = Blocklist.from_environment()
    plugins = [Plugin(point.name, *distribution_of(point), point=point) for point in plugin_entry_points()]
    plugins.sort(key=lambda plugin: (plugin.distribution != OWN, plugin.name, plugin.distribution))
    for plugin in plugins:
        plugin.blocked = blocklist.blocked_by(plugin.name, plugin.distribution)
    for plugin in plugins:
        if plugin.distribution == OWN and not plugin.blocked:
            plugin.contents = None
            plugin.load()
    probe_plugins([plugin for plugin in plugins if plugin.distribution != OWN and not plugin.blocked])
    return plugins


def probe_plugins(plugins: list[Plugin]) -> None:
    """Set the probe results of plugins; those without a cached result are probed in parallel."""
    records = [plugin.probe_record for plugin in plugins]
    results = [record.read() for record in records]
    for plugin, result in zip(plugins, results, strict=True):
        if result:
            plugin.set_probe_result(result)
    unseen = [number for number, result in enumerate(results) if result is None]
    if unseen:
        probes = Probes([records[number] for number in unseen])
        probes.wait(wait_seconds())
        for number, record in zip(unseen, probes.records, strict=True):
            plugins[number].update_from_probe(probes, record)


def plugin_entry_points() -> list[EntryPoint]:
    """Return the entry points of group `zoo`, skipping distributions with unreadable metadata."""
    try:
        return list(entry_points(group=PROJECT))
    except Exception:
        found: dict[str, list[EntryPoint]] = {}
        for each in distributions():
            with suppress(Exception):
                found.setdefault(each.name.lower(), [point for point in each.entry_points if point.group == PROJECT])
        return [point for points in found.values() for point in points]


def distribution_of(point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that declares an entry point."""
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    except Exception:
        name, version = None, None
    return name or "unknown", version or "?"


def known_names() -> set[str]:
    """Return the names and distributions of all installed plugins."""
    return {name for point in plugin_entry_points() for name in (point.name, distribution_of(point)[0])}
