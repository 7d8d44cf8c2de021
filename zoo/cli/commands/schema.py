"""`zoo schema`: the JSON schema of registry.yaml."""

from __future__ import annotations

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.registry.listing import schema


@click.command("schema", cls=Command, json=False)
@click.pass_obj
def schema_command(screen: Screen, /) -> None:
    """Print the JSON schema of registry.yaml: zoo schema > registry.schema.json."""
    screen.document(schema())
