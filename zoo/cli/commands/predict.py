"""`zoo predict`: classify pictures with a trained run."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, RUN, refuse_typed
from zoo.cli.views.pages import report_skipped
from zoo.core.errors import ZooError
from zoo.core.splits import SPLITS
from zoo.runs.find import load


@click.command("predict", cls=Command)
@RUN
@click.argument("pictures", metavar="PICTURE|FOLDER...", nargs=-1)
@click.option("--data", metavar="KIND|PATH", help="A folder of pictures, or a data kind or Parquet files, see --split.")
@click.option(
    "--split",
    type=click.Choice(SPLITS[::-1]),
    default="test",
    help="The split to classify of a data kind or of Parquet files.",
    show_default=True,
)
@DEVICE
@click.pass_obj
def predict_command(screen: Screen, /, run: str, pictures: tuple[str, ...], **options: Any) -> int:
    """Classify pictures, and all pictures in folders; print class and probability.

    RUN is a run folder, or an entry (its newest finished run).
    """
    from zoo.evaluation.predict import predict, splits_of

    if not pictures and options["data"] is None:
        raise ZooError("no pictures to classify", f"name files or folders, as in: zoo predict {run} photo.png")
    if options["data"] is None or not splits_of(options["data"]):
        refuse_typed("split", "on pictures in files", "all pictures of a folder are classified; drop --split")
    opened = load(run)
    screen.note(f"{opened.path}, trained on {opened.entry.data.name}")
    found = predict(opened, pictures, **options)
    if screen.json:
        predictions = [row._asdict() for row in found.predictions]
        screen.document({"predictions": predictions, "skipped": [row._asdict() for row in found.skipped]})
    elif found.predictions:
        rows = [(row.path, row.label, f"{row.probability:.4f}") for row in found.predictions]
        screen.table(["picture", "class", "probability"], rows, right=[2])
    return report_skipped(screen, found.skipped, pictures, done=bool(found.predictions))
