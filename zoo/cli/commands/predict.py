"""`zoo predict`: classify pictures with a trained run."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, RUN, VIEWS, refuse_typed
from zoo.cli.views.pages import check_distinct, report_skipped
from zoo.cli.views.predictions import (
    check_parquet,
    prediction_columns,
    prediction_rows,
    show_predictions,
    write_csv,
    write_files,
    write_parquet,
)
from zoo.core.errors import ZooError
from zoo.core.notes import note
from zoo.core.splits import SPLITS
from zoo.runs.ensemble import load_runs
from zoo.runs.find import describe_run


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
@click.option("--top", type=click.IntRange(1), default=1, metavar="N", help="Show the N most probable classes.")
@click.option("--all", "every", is_flag=True, help="Show the probability of every class.")
@click.option("--csv", metavar="FILE", help="Write the predictions to a CSV file, rather than printing them.")
@click.option("--parquet", metavar="FILE", help="Write the predictions to a Parquet file, rather than printing them.")
@VIEWS
@DEVICE
@click.pass_obj
def predict_command(
    screen: Screen,
    /,
    run: str,
    pictures: tuple[str, ...],
    top: int,
    every: bool,
    csv: str | None,
    parquet: str | None,
    **options: Any,
) -> int:
    """Classify pictures, and all pictures in folders; print class and probability.

    RUN is a run folder, or an entry (its newest finished run); RUN+RUN averages the probabilities of several.
    """
    from zoo.evaluation.predict import predict_all, splits_of

    if every and top > 1:
        raise ZooError("--top has no effect beside --all", "give one of them")
    check_distinct(csv=csv, parquet=parquet)
    if parquet:
        check_parquet()
    if not pictures and options["data"] is None:
        raise ZooError("no pictures to classify", f"name files or folders, as in: zoo predict {run} photo.png")
    if options["data"] is None or not splits_of(options["data"]):
        refuse_typed("split", "on pictures in files", "all pictures of a folder are classified; drop --split")
    opened = load_runs(run, options["data"], pictures)
    for each in opened:
        if each.shipped is None:
            note(describe_run(each))
    found, skipped = predict_all(opened, pictures, **options)
    columns = prediction_columns(found, top, every=every) if csv or parquet else {}
    files = write_files([(csv, write_csv), (parquet, write_parquet)], columns) if len(found) else []
    if screen.json:
        about: dict[str, Any] = {"averaging": found.averaging} if found.averaging else {}
        about |= {"classes": list(found.classes)} if every else {}
        about |= {"predictions": prediction_rows(found, top, every=every), "skipped": [x._asdict() for x in skipped]}
        screen.document(about | ({"files": files} if files else {}))
    elif files:
        for path in files:
            screen.line(f"wrote {path}: {len(found):,} picture{'s' * (len(found) != 1)}")
    elif len(found):
        if found.averaging:
            screen.note(f"averaged over {found.averaging}")
        show_predictions(screen, found, top, every=every)
    return report_skipped(screen, skipped, pictures, done=len(found) > 0)
