"""`zoo push`: publish a run as a folder, a .zip file or on the Hugging Face hub."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import RUN
from zoo.display.format import format_bytes


@click.command("push", cls=Command)
@RUN
@click.argument("dest", metavar="DIR|FILE.zip|hf:USER/NAME|PACKAGE")
@click.option("--half", is_flag=True, help="Store large tensors as float16, which halves the size.")
@click.option("--license", metavar="ID", default="", help="License of the weights, e.g. mit, apache-2.0 or cc-by-4.0.")
@click.option("--private", is_flag=True, default=None, help="Make a new model on the hub private.")
@click.option("--force", is_flag=True, help="Replace another entry's bundle, or add to another model on the hub.")
@click.option("--index", is_flag=True, help="DEST is a Python package that ships weights: add it to its index.")
@click.option("--data-name", metavar="NAME", default="", help="With --index: what the data are called in ENTRY@DATA.")
@click.option("--source", metavar="TEXT", default="", help="With --index: where the pictures come from.")
@click.pass_obj
def push_command(screen: Screen, /, run: str, dest: str, **options: Any) -> None:
    """Publish a run: weights, entry, metrics and a model card.

    RUN is a run folder, an entry (its newest finished run), or a study (its best run). A bundle of the same entry that
    is there already is replaced. Others fetch it with `zoo pull`, or with --index install the package.
    """
    from zoo.runs.push import push

    done = push(run, dest, **options)
    if screen.json:
        return screen.document(done.to_dict())
    screen.line(f"{done.url or done.address}: {format_bytes(done.bytes)} from {done.run}")
    use = f"where the package is installed: zoo show {done.address.partition('@')[0]}"
    use = use if options["index"] else f"others fetch it with: zoo pull {done.address}"
    screen.note(f"weights sha256 {done.weights_sha256[:12]}; {use}")
    return None
