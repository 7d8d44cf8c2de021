"""Show the predictions of a classifier: as a table, as JSON, and as CSV or Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core.errors import MissingError
from zoo.core.files import atomic_write

if TYPE_CHECKING:
    from zoo.cli.console import Screen
    from zoo.runs.predictions import Predictions

Columns = dict[str, list[Any]]


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

    types = {name: pa.float64() if name.startswith("probability") else pa.string() for name in columns}
    table = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


def check_parquet() -> None:
    """Raise MissingError, before anything is computed, if no Parquet file can be written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingError("--parquet needs pyarrow", "pip install pyarrow, or write --csv FILE") from None


def printable(text: str) -> str:
    """Escape what a UTF-8 file cannot hold, such as bytes of a file name in another encoding."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_files(files: Iterable[tuple[str | None, Any]], columns: Columns) -> Sequence[str]:
    """Write the files that were asked for, each by its writer; return their paths."""
    written = []
    for path, write in files:
        if path is not None:
            write(Path(path), columns)
            written.append(path)
    return written
