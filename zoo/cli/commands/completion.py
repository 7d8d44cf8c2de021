"""`zoo completion`: the script that lets a shell complete commands, options and names."""

from __future__ import annotations

import click

from zoo.cli.app import Command

SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command("completion", cls=Command, json=False)
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the completion script for a shell.

    A comment in the script explains how to install it.
    """
    from zoo.cli.completion.shells import completion_script

    click.echo(completion_script(shell), nl=False)
