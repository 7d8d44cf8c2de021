"""Find the columns of pictures and labels in Parquet files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.core import DataError, did_you_mean
from zoo_data.parquet_files import Files, open_parquet

if TYPE_CHECKING:
    import pyarrow as pa

USUAL_TEXTS = ("text", "caption")
"""Column names that are taken for captions."""
USUAL_LABELS = ("label", "labels", "class", "target", "fine_label")
"""Column names that are taken for labels if the metadata declares none."""
MAX_TYPE = 40
"""Longest name of a type in an error."""


class Columns(NamedTuple):
    """The names of the picture and label columns, with the class names."""

    image: str
    label: str | None
    """None if there is none."""
    label_type: str
    names: tuple[str, ...]
    """Class names of whole-number labels from the metadata; empty if there are none."""
    described: str
    """Every column of the first file with its type."""
    chosen: bool
    """Whether the option names the label column."""
    named: bool
    """Whether the option, the metadata or its usual name says that it has labels."""
    text: str | None = None
    """The name of the caption column; None if there is none."""

    def read(self, schema: pa.Schema) -> list[str]:
        """List the columns to read from a file: of a struct only its bytes."""
        import pyarrow as pa

        image = f"{self.image}.bytes" if pa.types.is_struct(schema.field(self.image).type) else self.image
        return [image, *(name for name in (self.label, self.text) if name and name in schema.names)]


def common_columns(files: Files, image: str | None, label: str | None) -> Columns:
    """Find the columns of the first training file; raise DataError if another file has different ones."""
    first, *others = (path for paths in files.values() for path in paths)
    with open_parquet(first) as file:
        columns = find_columns(file.schema_arrow, image, label)
        family = label_family(file.schema_arrow, columns.label)
    for path in others:
        with open_parquet(path) as file:
            family = check_same(path, file.schema_arrow, columns, family, first)
    return columns


def check_same(path: Path, schema: pa.Schema, columns: Columns, family: str, first: Path) -> str:
    """Raise DataError if a file has other columns or classes than the first; return what labels are so far.

    A file without the label column has no labels.
    """
    advice = "give the folder of a single data set"
    used = [name for name in (columns.image, columns.label, columns.text) if name and name in schema.names]
    check_unique(schema, used)
    if columns.image not in used or not holds_pictures(schema.field(columns.image).type):
        found = describe_columns(schema)
        raise DataError(f"{path} has no column {columns.image!r} with pictures, as {first} has, but {found}", advice)
    own = label_family(schema, columns.label)
    if own and family and own != family:
        what = f"{schema.field(columns.label).type}"
        raise DataError(f"{path} has other columns than {first}: {columns.label!r} has type {what}", advice)
    names = class_names(declared_features(schema).get(columns.label or ""))
    if own and names != columns.names:
        theirs = ", ".join(names) or "none"
        text = (
            f"{path} has other columns or classes than {first}: the class names of {columns.label!r} are {theirs:.80}"
        )
        raise DataError(text, advice)
    return family or own


def find_columns(schema: pa.Schema, image: str | None, label: str | None) -> Columns:
    """Find the columns by option, else by the `huggingface` metadata, else by type if only one has it."""
    declared = declared_features(schema)
    found = pick_column(schema, "image", image, columns_declared_as(declared, "Image"), holds_pictures)
    if found is None:
        raise DataError(f"no column of pictures among {describe_columns(schema)}", "is this a set of pictures?")
    known = columns_declared_as(declared, "ClassLabel")
    known += [name for name in USUAL_LABELS if name in schema.names]
    usual = (name for name in USUAL_TEXTS if name != label and name in schema.names)
    text = next((name for name in usual if holds_texts(schema, name)), None)
    others = schema if text is None else schema.remove(schema.names.index(text))
    picked = pick_column(others, "label", label, known, is_label, looks_like_label)
    check_unique(schema, [name for name in (found, picked, text) if name])
    names = class_names(declared.get(picked)) if picked else ()
    chosen = label is not None
    kind = str(schema.field(picked).type) if picked else ""
    return Columns(found, picked, kind, names, describe_columns(schema), chosen, chosen or picked in known, text)


def pick_column(
    schema: pa.Schema,
    option: str,
    requested: str | None,
    known: list[str],
    fits: Callable[[pa.DataType], bool],
    stands_out: Callable[[pa.DataType], bool] | None = None,
) -> str | None:
    """Choose one column; raise DataError with the option to set if the choice is not unique.

    `stands_out` says which types are taken without a name that is known; by default all that fit.
    """
    fitting = [column.name for column in schema if fits(column.type)]
    if requested is not None:
        if requested in fitting:
            return requested
        others = [name for name in fitting if name != requested]
        if requested in schema.names:
            what = f"column {requested!r} has type {schema.field(schema.names.index(requested)).type}"
            raise DataError(f"{what}; it cannot be the {option} column", did_you_mean("", others))
        hint = did_you_mean(requested, fitting or schema.names)
        raise DataError(f"no column {requested!r} among {describe_columns(schema)}", hint)
    if named := [name for name in known if name in fitting]:
        return named[0]
    found = [column.name for column in schema if (stands_out or fits)(column.type)]
    if len(found) > 1:
        what = describe_columns(schema, found)
        raise DataError(f"several columns could be the {option}: {what}", f"choose one, e.g. data.{option}={found[0]}")
    return found[0] if found else None


def check_unique(schema: pa.Schema, names: list[str]) -> None:
    """Raise DataError if there are two columns of a name."""
    for name in names:
        if (count := schema.names.count(name)) > 1:
            raise DataError(f"there are {count} columns {name!r} in {describe_columns(schema)}", "rename all but one")


def describe_columns(schema: pa.Schema, names: list[str] | None = None) -> str:
    """List columns with their types."""
    some = [f"{each.name} ({shorten(str(each.type))})" for each in schema if names is None or each.name in names]
    return ", ".join(some[:12]) + (f" and {len(some) - 12} more" if len(some) > 12 else "") or "none"


def shorten(text: str) -> str:
    """Cut a long name of a type."""
    return text if len(text) <= MAX_TYPE else text[: MAX_TYPE - 3] + "..."


def declared_features(schema: pa.Schema) -> dict[str, Any]:
    """Read the features that the `huggingface` metadata declares, by column."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def columns_declared_as(declared: dict[str, Any], feature_type: str) -> list[str]:
    """List the columns that the metadata declares to be of this type."""
    return [
        name for name, feature in declared.items() if isinstance(feature, dict) and feature.get("_type") == feature_type
    ]


def class_names(feature: Any) -> tuple[str, ...]:
    """List the class names of a ClassLabel feature."""
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def holds_pictures(column_type: pa.DataType) -> bool:
    """Whether a column can hold encoded pictures: binary, or a struct with a binary field `bytes`."""
    import pyarrow as pa

    if pa.types.is_struct(column_type):
        index = column_type.get_field_index("bytes")
        return index >= 0 and holds_pictures(column_type.field(index).type)
    return bool(pa.types.is_binary(column_type) or pa.types.is_large_binary(column_type))


def holds_texts(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds texts or lists of texts."""
    import pyarrow as pa

    own = schema.field(schema.names.index(name)).type
    lists = pa.types.is_list(own) or pa.types.is_large_list(own)
    return is_text(value_type(own.value_type if lists else own))


def label_family(schema: pa.Schema, name: str | None) -> str:
    """Say what the labels of a file are: `number`, `text`, or an empty string if it has none."""
    import pyarrow as pa

    if name is None or name not in schema.names:
        return ""
    own = value_type(schema.field(name).type)
    return "" if pa.types.is_null(own) else "number" if not is_text(own) else "text"


def is_label(column_type: pa.DataType) -> bool:
    """Whether a column can hold labels: numbers, true and false, text, or nothing but null."""
    import pyarrow as pa

    own, types = value_type(column_type), pa.types
    numbers = types.is_integer(own) or types.is_boolean(own) or types.is_floating(own) or types.is_decimal(own)
    return bool(numbers or is_text(own) or types.is_null(own))


def looks_like_label(column_type: pa.DataType) -> bool:
    """Whether a column is taken for labels whatever its name: whole numbers or text."""
    import pyarrow as pa

    own = value_type(column_type)
    return bool(pa.types.is_integer(own) or is_text(own))


def value_type(column_type: pa.DataType) -> pa.DataType:
    """Get the type of the values of a column, dictionary-encoded or not."""
    import pyarrow as pa

    return column_type.value_type if pa.types.is_dictionary(column_type) else column_type


def is_text(column_type: pa.DataType) -> bool:
    """Whether a type is text."""
    import pyarrow as pa

    return bool(pa.types.is_string(column_type) or pa.types.is_large_string(column_type))
