"""`zoo export`: files of a trained model that run without the zoo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, RUN, refuse_typed
from zoo.display.format import format_bytes

if TYPE_CHECKING:
    from zoo.exporting.export import ExportedFile


@click.command("export", cls=Command)
@RUN
@click.option(
    "--format",
    type=click.Choice(["onnx", "pt2"]),
    default="onnx",
    help="onnx: for onnxruntime and others; pt2: for torch.export.load.",
    show_default=True,
)
@click.option("--int8", is_flag=True, help="Also write a classifier in int8, calibrated on training pictures.")
@click.option(
    "--part",
    "parts",
    type=click.Choice(["encoder", "decoder", "sampler"]),
    multiple=True,
    help="Export only this part of a generator; may be repeated.",
)
@DATA
@click.option("-o", "--out", metavar="PATH", help="Folder, or file of a classifier; default exports in the run folder.")
@click.option("--check", metavar="FILE", help="Compare an .onnx file exported earlier with the run; write nothing.")
@click.pass_obj
def export_command(screen: Screen, /, run: str, **options: Any) -> None:
    """Export a trained model as files that need no zoo, after comparing them with the run on the test split.

    The files take uint8 pictures of any size, and resize and standardise them as the zoo does. RUN is a run folder, or
    an entry (its newest finished run).
    """
    from zoo.exporting.export import export

    if options["check"]:
        for name in ("format", "int8", "parts", "out"):
            refuse_typed(name, "with --check, which writes nothing", "drop it")
    found = export(run, **options, tell=screen.note)
    if screen.json:
        return screen.document(found.to_dict())
    for file in found.files:
        screen.line(describe(file, "checked" if options["check"] else "exported"))
    return None


def describe(file: ExportedFile, done: str) -> str:
    """Describe an exported file in one line."""
    what = {"decoder": "codes", "sampler": "samples"}.get(file.part, "test pictures")
    loss = f", a loss of {100 * file.comparison.loss:.2f} points" if file.precision == "int8" else ""
    size = format_bytes(file.bytes)
    return f"{done} {file.path} ({size}): {file.comparison.rows:,} {what}, {file.comparison}{loss}"
