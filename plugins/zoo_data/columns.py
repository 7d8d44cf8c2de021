"""Which columns of Parquet files hold pictures and labels, and what the classes are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

from zoo.core import DataError, did_you_mean

USUAL_LABELS = ("label", "labels", "class", "target", "fine_label")


class Columns(NamedTuple):
    """Where pictures and labels are found."""

    image: str
    label: str
    classes: tuple[str, ...]
    """Class names of whole-number labels from the files' metadata; empty where they have none."""

    def read(self, schema: pa.Schema) -> list[str]:
        """What to read of a file: of a struct only its bytes."""
        return [f"{self.image}.bytes" if pa.types.is_struct(schema.field(self.image).type) else self.image, self.label]


def find_columns(schema: pa.Schema, image: str | None, label: str | None) -> Columns:
    """The columns asked for, else those that the `huggingface` metadata names, else the only ones of a fitting type."""
    declared = declared_features(schema)
    image = pick_column(schema, "image", image, columns_declared_as(declared, "Image"), holds_pictures)
    label = pick_column(schema, "label", label, columns_declared_as(declared, "ClassLabel"), is_label)
    return Columns(image, label, class_names(declared.get(label)))


def pick_column(
    schema: pa.Schema, option: str, asked: str | None, declared: list[str], fits: Callable[[pa.DataType], bool]
) -> str:
    """One column; raises DataError that says which option to give where there is no single answer."""
    fitting = [column.name for column in schema if fits(column.type)]
    if asked is not None:
        if asked in fitting:
            return asked
        if asked in schema.names:
            raise DataError(f"column {asked!r} has type {schema.field(asked).type}; it cannot be the {option} column")
        raise DataError(f"no column {asked!r}", did_you_mean(asked, fitting or schema.names))
    for names in (declared, [name for name in USUAL_LABELS if option == "label"], fitting):
        known = [name for name in names if name in fitting]
        if known and (names is not fitting or len(known) == 1):
            return known[0]
    if fitting:
        raise DataError(f"several columns could be the {option}: {', '.join(fitting)}; set `{option}`")
    raise DataError(f"no {option} column found among {', '.join(schema.names) or 'none'}; is this a set of pictures?")


def declared_features(schema: pa.Schema) -> dict[str, Any]:
    """What the `huggingface` metadata says of each column."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def columns_declared_as(declared: dict[str, Any], kind: str) -> list[str]:
    """Columns that the metadata gives this type."""
    return [name for name, feature in declared.items() if isinstance(feature, dict) and feature.get("_type") == kind]


def class_names(feature: Any) -> tuple[str, ...]:
    """The names of a ClassLabel feature."""
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def holds_pictures(kind: pa.DataType) -> bool:
    """Whether a column can hold encoded pictures: bytes, or a struct with a field of that name."""
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and holds_pictures(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_label(kind: pa.DataType) -> bool:
    """Whether a column can hold labels: whole numbers or text, dictionary-encoded or not."""
    if pa.types.is_dictionary(kind):
        return is_label(kind.value_type)
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))
