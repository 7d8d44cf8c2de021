"""Read the labels of Parquet files: which classes there are, and which rows have one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from zoo.core import DataError, note
from zoo_data.parquet_columns import Columns
from zoo_data.parquet_files import Files, count_rows, open_parquet

ALL = "pictures"
"""The class of all pictures where there are no labels."""
MAX_ONES = 8
"""Training pictures that may all have a label of their own, if the name of its column does not say that it is one."""
UNLABELLED = -1
"""Stands for no label in many data sets."""
Value = int | str
"""A label as the files have it, with whole numbers of any type as int."""


class Labels(NamedTuple):
    """The classes, and what the values of the label column stand for."""

    classes: tuple[str, ...]
    number: Mapping[Value, int] | None
    """The class of each value; None if all pictures are of one class, whatever the column says."""
    rows: dict[str, int]
    """Rows with a label in each split that has some."""

    def of(self, value: object) -> int | None:
        """Get the class of a value; None for a row that is left out."""
        if self.number is None:
            return 0
        return self.number.get(key) if (key := plain_value(value)) is not None else None


class NoLabelError(Exception):
    """A value cannot be a label."""


def read_labels(files: Files, columns: Columns) -> Labels:
    """Find the classes and the rows that have one; what is left out is said.

    Raises DataError if a split has labels that are none of the classes.
    """
    if columns.label is None:
        if columns.text is None:
            note(f"no column of labels among {columns.described}; all pictures are taken as one class")
        return one_class(files)
    try:
        counts = {path: count_values(path, columns.label) for paths in files.values() for path in paths}
        known = known_values(files, columns, counts)
    except NoLabelError as error:
        text = f"column {columns.label!r} has type {columns.label_type} and values such as {error}, which are no labels"
        if columns.chosen:
            raise DataError(text, f"the columns are {columns.described}") from None
        note(f"{text}; all pictures are taken as one class")
        return one_class(files)
    totals = {split: sum((counts[path] for path in paths), Counter[Value | None]()) for split, paths in files.items()}
    used = sorted({known[value] for value in totals["train"] if value is not None and value in known})
    if not used:
        note(f"no training picture has a label in column {columns.label!r}; all pictures are taken as one class")
        return one_class(files)
    if not columns.named and len(used) == sum(totals["train"].values()) > MAX_ONES:
        text = f"column {columns.label!r} is different in every picture; all pictures are taken as one class"
        note(f"{text} (data.label={columns.label} takes it for labels)")
        return one_class(files)
    report_left_out(totals, known, columns.names, set(used))
    new = {old: index for index, old in enumerate(used)}
    index = {value: new[old] for value, old in known.items() if old in new}
    rows = {split: sum(count for value, count in total.items() if value in index) for split, total in totals.items()}
    names = columns.names or tuple(show_value(value) for value in known)
    return Labels(tuple(names[old] for old in used), index, {split: count for split, count in rows.items() if count})


def one_class(files: Files) -> Labels:
    """Take all pictures as one class."""
    return Labels((ALL,), None, {split: count_rows(paths) for split, paths in files.items()})


def count_values(path: Path, column: str) -> Counter[Value | None]:
    """Count the values of the label column of a file; rows without one count as None."""
    import pyarrow as pa

    total: Counter[Value | None] = Counter()
    with open_parquet(path) as file:
        if column not in file.schema_arrow.names or pa.types.is_null(file.schema_arrow.field(column).type):
            return Counter({None: file.metadata.num_rows})
        for batch in file.iter_batches(columns=[column]):
            found = batch.column(0).value_counts()
            values, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
            for value, count in zip(values, counts, strict=True):
                total[plain_value(value)] += count
    return total


def plain_value(value: object) -> Value | None:
    """Convert a value to a whole number or text.

    Returns None for none, for not a number and for empty text.

    Raises NoLabelError for anything else.
    """
    if value is None or value == "" or (isinstance(value, float | Decimal) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    raise NoLabelError(f"{value!s:.40}")


def known_values(files: Files, columns: Columns, counts: Mapping[Path, Counter[Value | None]]) -> dict[Value, int]:
    """Number the values that stand for a class: those with a declared name, else those of training pictures.

    Where -1 is none of them, or comes before 0, it stands for no label.
    """
    if columns.names:
        known: dict[Value, int] = {name: index for index, name in reversed(list(enumerate(columns.names)))}
        known |= {index: index for index in range(len(columns.names))}
    else:
        found: set[Any] = {value for path in files["train"] for value in counts[path]} - {None}
        if 0 in found and min(found) == UNLABELLED:  # classes are numbered from 0
            found.remove(UNLABELLED)
        known = {value: index for index, value in enumerate(sorted(found))}
    for paths in files.values():
        labels = {value for path in paths for value in counts[path]} - {None, UNLABELLED}
        if (strange := labels - known.keys()) and (columns.names or strange == labels):
            what = f"{len(columns.names)} class names" if columns.names else "the labels of training pictures"
            first = min(strange, key=str)
            name = next(path.name for path in paths if first in counts[path])
            raise DataError(f"{name} has label {first!r:.80}, which is not among the classes ({what})")
    return known


def show_value(value: Value) -> str:
    """Name the class of a label without a declared name."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def report_left_out(
    totals: Mapping[str, Counter[Value | None]], known: Mapping[Value, int], names: tuple[str, ...], used: set[int]
) -> None:
    """Say which splits, rows and classes are left out."""
    for split, total in totals.items():
        without = sum(count for value, count in total.items() if is_unlabelled(value, known))
        if without and without == sum(total.values()):
            note(f"none of the {without} {split} pictures has a label; the {split} split is left out")
        elif without:
            note(f"{without} of {sum(total.values())} {split} pictures have no label; they are left out")
        lost = {
            v: n for v, n in total.items() if v is not None and not is_unlabelled(v, known) and known.get(v) not in used
        }
        if lost:
            unknown = quote_some([names[known[value]] if names else show_value(value) for value in lost])
            note(
                f"{sum(lost.values())} {split} pictures are left out, for there are none to train on of class {unknown}"
            )
    if missing := [name for index, name in enumerate(names) if index not in used]:
        note(f"no training picture of class {quote_some(missing)}: left out")


def quote_some(names: Sequence[str]) -> str:
    """List names in quotes; of many only the first five."""
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def is_unlabelled(value: Value | None, known: Mapping[Value, int]) -> bool:
    """Whether a value stands for no label."""
    return value is None or (value == UNLABELLED and value not in known)
