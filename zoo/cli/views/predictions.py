"""Show the predictions of a classifier: as a table, as JSON, and as CSV or Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core.errors import MissingError, printable
from zoo.core.files import atomic_write

if TYPE_CHECKING:
    from zoo.cli.console import Screen
    from zoo.evaluation.classified import ClassifiedSplit
    from zoo.runs.predictions import Predictions

Columns = dict[str, list[Any]]
TOP = 5
"""Classes of each picture in the files of an evaluation."""


def show_predictions(screen: Screen, found: Predictions, top: int, *, every: bool) -> None:
    """Print the most probable classes of each picture: one, the `top` ones, or `every` class."""
    ranked = zip(found.paths, found.top(len(found.classes) if every else top), strict=True)
    rows = [(path, label, f"{value:.4f}") for path, best in ranked for label, value in best]
    screen.table(["picture", "class", "probability"], rows, right=[2])


def prediction_rows(found: Predictions, top: int, *, every: bool) -> list[dict[str, Any]]:
    """Return a JSON object for each picture."""
    rows = []
    for each in found:
        about = each.to_dict()
        values = about.pop("probabilities")
        more = {"probabilities": values} if every else {"top": [pair._asdict() for pair in each.top(top)]}
        rows.append(about | (more if every or top > 1 else {}))
    return rows


def prediction_columns(found: Predictions, top: int, *, every: bool) -> Columns:
    """Return the columns of a file: path, label and probability, then further ranks or every class."""
    ranked = [[(printable(name), value) for name, value in best] for best in found.top(top)]
    columns: Columns = {"path": [printable(path) for path in found.paths]}
    for rank in range(min(top, len(found.classes))):
        end = f"_{rank + 1}" if rank else ""
        columns[f"label{end}"], columns[f"probability{end}"] = (
            [best[rank][part] for best in ranked] for part in (0, 1)
        )
    classes = zip(found.classes, found.probabilities.T.tolist(), strict=True) if every else ()
    return columns | {printable(f"probability of {name}"): values for name, values in classes}


def split_columns(found: ClassifiedSplit) -> Columns:
    """Return the columns of an evaluation: path or row, true class, the likeliest classes, and the loss."""
    columns = prediction_columns(found.predictions, TOP, every=False)
    paths = columns.pop("path")
    first: Columns = {"path": paths} if found.pictures.names else {"row": list(range(len(found)))}
    true = [printable(found.classes[label]) for label in found.labels.tolist()]
    return first | {"true": true} | columns | {"loss": found.losses.tolist()}


def write_split(found: ClassifiedSplit, path: Path) -> list[Path]:
    """Write the predictions for a split as CSV, and as Parquet if pyarrow is installed; return the files."""
    columns = split_columns(found)
    files = {".csv": write_csv} | ({".parquet": write_parquet} if find_spec("pyarrow") else {})
    for suffix, write in files.items():
        write(path.with_suffix(suffix), columns)
    return [path.with_suffix(suffix) for suffix in files]


def write_csv(path: Path, columns: Columns) -> None:
    """Write columns as a CSV file."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def write_parquet(path: Path, columns: Columns) -> None:
    """Write columns as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {"row": pa.int64(), "loss": pa.float64()}
    types = {
        name: pa.float64() if name.startswith("probability") else numbers.get(name, pa.string()) for name in columns
    }
    table = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


def check_parquet() -> None:
    """Raise MissingError, before anything is computed, if no Parquet file can be written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingError("--parquet needs pyarrow", "pip install pyarrow, or write --csv FILE") from None


def write_files(files: Iterable[tuple[str | None, Any]], columns: Columns) -> Sequence[str]:
    """Write the files that were asked for, each by its writer; return their paths."""
    written = []
    for path, write in files:
        if path is not None:
            write(Path(path), columns)
            written.append(path)
    return written
