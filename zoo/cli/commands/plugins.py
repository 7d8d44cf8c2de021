"""`zoo plugins`: the installed plugins, what they provide and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.registry.catalog import catalog
from zoo.registry.plugins.discover import Plugin
from zoo.registry.plugins.probe_cache import KindSummary, clear_probe_cache


@click.command("plugins", cls=Command)
@click.option("--again", is_flag=True, help="Probe all plugins again, e.g. after a change the zoo cannot detect.")
@click.pass_obj
def plugins_command(screen: Screen, /, again: bool) -> None:
    """List plugins, what they provide, and what is wrong with the broken ones."""
    if again:
        clear_probe_cache()
        catalog.cache_clear()
    plugins = catalog().plugins
    if screen.json:
        return screen.document({"plugins": [about(plugin) for plugin in plugins], "problems": catalog().notes})
    cells = [
        (
            plugin.name,
            f"{plugin.distribution} {plugin.version}",
            plugin.state,
            cause(plugin) or by_family(plugin.kind_summaries),
        )
        for plugin in plugins
    ]
    screen.table(["plugin", "distribution", "state", "provides"], cells)
    for note in [*(f"{plugin}: {note}" for plugin in plugins for note in plugin.probe_result.notes), *catalog().notes]:
        screen.note(f"note: {note}")
    return None


def about(plugin: Plugin) -> dict[str, Any]:
    """Describe a plugin for JSON."""
    return {
        **{key: getattr(plugin, key) for key in ("name", "distribution", "version", "state")},
        "error": cause(plugin),
        "kinds": [kind._asdict() for kind in plugin.kind_summaries],
        "notes": plugin.probe_result.notes,
        "api": plugin.probe_result.level,
        "seconds": plugin.probe_result.seconds,
        "location": plugin.location,
    }


def cause(plugin: Plugin) -> str:
    """Explain why a plugin provides nothing; empty for one that works."""
    return f"blocked by {plugin.blocked}" if plugin.blocked else plugin.error


def by_family(kinds: Iterable[KindSummary]) -> str:
    """List kinds by family, e.g. `data: digits, folder`."""
    families: dict[str, list[str]] = {}
    for kind in kinds:
        families.setdefault(kind.family, []).append(kind.name)
    return "; ".join(f"{family}: {', '.join(names)}" for family, names in families.items())
