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


@dataclass(eq=False)
class Plugin:
    """An entry point of group `zoo` and its state."""

    name: str
    distribution: str
    version: str
    error: str = ""
    given: PluginContents | None = field(default_factory=PluginContents)
    """What it gives; None while it is not imported."""
    verdict: ProbeResult = field(default_factory=ProbeResult)
    """Of its probe."""
    blocked: str = ""
    """The option or variable that blocks it; empty if none does."""
    point: EntryPoint | None = None
    out: tuple[Probes, ProbeRecord] | None = None
    """Its probe, while that is running."""

    @property
    def state(self) -> str:
        """`ok`, `broken` if it cannot be loaded, or `blocked` if it must not be loaded."""
        return "blocked" if self.blocked else "broken" if self.error else "ok"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that it provides; imports the plugin if necessary."""
        return self.loaded().kinds

    @property
    def registries(self) -> tuple[Traversable, ...]:
        """Its registry files; imports the plugin if it has any."""
        return self.loaded().registries if self.given or self.verdict.registries else ()

    @property
    def kind_summaries(self) -> tuple[KindSummary, ...]:
        """The kinds that it provides, for a listing; does not import the plugin."""
        if self.given is None:
            return self.verdict.kinds
        return tuple(KindSummary(kind.family, kind.name, kind.summary) for kind in self.given.kinds)

    @property
    def location(self) -> str:
        """The path of its code; empty if unknown."""
        return code_location(self.point) if self.point else ""

    @property
    def record(self) -> ProbeRecord:
        """The place of its verdict, for its files as they are now."""
        assert self.point
        return ProbeRecord.of(self.point, (self.distribution, self.version))

    @property
    def trouble(self) -> str:
        """Why it provides nothing, as a sentence; empty if it works."""
        if self.blocked:
            return f"plugin {self.name} is blocked by {self.blocked}"
        return f"{self} is broken: {self.error}" if self.error else ""

    def loaded(self) -> PluginContents:
        """Import the plugin if that was not done yet, and return its contents; sets `error` on failure."""
        if self.given is None and self.point:
            began = time.monotonic()
            self.given, self.error = load_plugin(self.point, self.distribution == OWN)
            took = {"seconds": round(time.monotonic() - began, 3), "level": self.given.level}
            self.verdict = self.verdict.model_copy(update=took)
        return self.given or PluginContents()

    def wait_for_probe(self) -> None:
        """Wait for its probe to finish, up to about a minute."""
        if self.out:
            self.out[0].wait(IMPORT_TIMEOUT + RESULT_GRACE, [self.out[1]])
            self.heed(*self.out)

    def heed(self, probing: Probes, record: ProbeRecord) -> None:
        """Take the verdict, as far as there is one."""
        running = probing.running  # asked first: what ends now has written its verdict
        verdict, self.out = record.read(), None
        if verdict:
            self.accept(verdict)
        elif probing.failed:
            self.error, self.given = "", None
            self.loaded()
        elif running:
            self.out = (probing, record)
            text = f"it has not finished importing within {wait_seconds():g} s"
            self.error = f"{text}; try again, or ignore it with {OPTION} {self.name}"
        else:
            self.error = "its probe left no result; try again, and check whether the disk is full"

    def accept(self, verdict: ProbeResult) -> None:
        """Be what the probe found."""
        self.verdict, self.error = verdict, verdict.error
        self.given = PluginContents() if verdict.error else None

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
            plugin.given = None
            plugin.loaded()
    judge([plugin for plugin in plugins if plugin.distribution != OWN and not plugin.blocked])
    return plugins


def judge(plugins: list[Plugin]) -> None:
    """Give plugins their verdicts; those that have none are probed side by side."""
    records = [plugin.record for plugin in plugins]
    verdicts = [record.read() for record in records]
    for plugin, verdict in zip(plugins, verdicts, strict=True):
        if verdict:
            plugin.accept(verdict)
    unseen = [number for number, verdict in enumerate(verdicts) if verdict is None]
    if unseen:
        probing = Probes([records[number] for number in unseen])
        probing.wait(wait_seconds())
        for number, record in zip(unseen, probing.records, strict=True):
            plugins[number].heed(probing, record)


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
