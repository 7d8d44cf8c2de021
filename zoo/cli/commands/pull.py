"""`zoo pull`: fetch a published run and verify it."""

from __future__ import annotations

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen


@click.command("pull", cls=Command)
@click.argument("source", metavar="DIR|FILE.zip|hf:USER/NAME")
@click.option("--out", metavar="DIR", help="Run folder to create; default runs/ and the name of the source.")
@click.pass_obj
def pull_command(screen: Screen, /, source: str, out: str | None) -> None:
    """Fetch a published run, and verify it before it can be used.

    hf:USER/NAME@REVISION names a branch, a tag or a commit of the hub. Names, sizes and SHA-256 of all files are
    checked; nothing in them is executed.
    """
    from zoo.runs.pull import pull

    run = pull(source, out)
    if screen.json:
        about = {"run": str(run.path), "entry": run.entry.name, "data": run.entry.data.name}
        return screen.document(about | {key: run.record.get(key) for key in ("origin", "parameters", "weights_sha256")})
    screen.line(f"{run.path}: {run.entry.name} trained on {run.entry.data.name}, from {run.record['origin']}")
    use = f"zoo predict {run.path} PICTURE" if run.entry.prior is None else f"zoo sample {run.path}"
    screen.note(f"weights sha256 {run.record['weights_sha256'][:12]}; next: {use}")
    return None
