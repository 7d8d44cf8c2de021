"""`zoo list`: the entries of the registry."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import REGISTRY
from zoo.registry.catalog import catalog
from zoo.registry.listing import ENTRY_COLUMNS, describe_entry, load_registry


@click.command("list", cls=Command)
@REGISTRY
@click.pass_obj
def list_command(screen: Screen, /, registries: tuple[str, ...]) -> None:
    """List the registry's entries, what they are, and the best recorded result of each."""
    found, left_out = load_registry(registries)
    entries = [describe_entry(found, name) for name in found.entries]
    broken = [plugin.trouble for plugin in catalog().plugins if plugin.error]
    problems = [*broken, *left_out, *catalog().notes]
    if screen.json:
        return screen.document({"entries": [asdict(entry) for entry in entries], "problems": problems})
    rows = [entry.row for entry in entries]
    screen.table(ENTRY_COLUMNS, rows, right=[5])
    for entry in entries:
        for need in entry.needs:
            screen.note(f"{entry.name} cannot be used: {need}")
    for problem in problems:
        screen.note(f"note: {problem}")
    return None
