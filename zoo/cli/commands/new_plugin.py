"""`zoo new-plugin`."""

from __future__ import annotations

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.new_plugin.package import PARTS, new_plugin


@click.command("new-plugin", cls=Command)
@click.argument("new", metavar="NAME")
@click.option(
    "--kind",
    "parts",
    type=click.Choice(list(PARTS)),
    multiple=True,
    default=["model"],
    help="What the plugin provides; repeatable. Default: model.",
)
@click.option("--out", metavar="DIR", help="The new folder; default zoo-NAME.")
@click.pass_obj
def new_plugin_command(screen: Screen, /, new: str, parts: tuple[str, ...], out: str | None) -> None:
    """Create a plugin package that works out of the box, for you to adapt.

    It installs, trains and passes `zoo check` as it is.

    model: a classifier; codec: an autoencoder for generators; prior: samples its codes; text: encodes prompts; data: a
    data set; metric: a figure of an evaluation; augment: random changes of training pictures.
    """
    made = new_plugin(new, parts, out)
    if screen.json:
        kinds = [{"family": PARTS[part].family, "name": made.plan.kind(part)} for part in made.plan.parts]
        about = {"plugin": new, "folder": str(made.folder), "files": [str(path) for path in made.files]}
        return screen.document(about | {"kinds": kinds, "entries": made.plan.entries})
    for path in made.files:
        screen.line(str(path))
    first = made.plan.entries[0]
    screen.note(f'next: pip install -e "{made.folder}"; zoo check {new}; zoo train {first}')
    return None
