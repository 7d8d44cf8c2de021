"""Parquet files with encoded pictures, as on the Hugging Face Hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.core import DataError, DataInfo, PictureSpec, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    from zoo.data import Loaded, NamedSource, Recipe


SPLIT = re.compile(r"(train|test|valid|val|dev)(idation)?(?![a-z])", re.IGNORECASE)
FIRST_ROWS = 32
"""Pictures from which the shape is inferred."""
USUAL_LABELS = ("label", "labels", "class", "target", "fine_label")
"""Column names that are taken for labels if the metadata declares none."""

Files = dict[str, list[Path]]
"""The Parquet files of each split."""


class ParquetSpec(PictureSpec):
    """Options of Parquet files with a column of encoded pictures and one of labels.

    Without `size`, all pictures must have the same size.
    """

    path: Path | tuple[Path, ...]
    """Files, or a folder with files at any depth; file names beginning with train, valid(ation) or test give the
    split."""
    image: str | None = None
    """Column with the pictures; default is detected from the metadata or types."""
    label: str | None = None
    """Column with the labels, integers or text; default is detected likewise."""


class Columns(NamedTuple):
    """The names of the picture and label columns, with the class names."""

    image: str
    label: str
    classes: tuple[str, ...]
    """Class names of integer labels from the metadata; empty if there are none."""

    def read(self, schema: pa.Schema) -> list[str]:
        """List the columns to read; only the bytes of a struct are needed."""
        import pyarrow as pa

        return [f"{self.image}.bytes" if pa.types.is_struct(schema.field(self.image).type) else self.image, self.label]


def info(spec: ParquetSpec) -> DataInfo:
    """Infer shape and classes from the schema and the first rows."""
    files = list_files(spec.path)
    columns = common_columns(files, spec)
    return DataInfo.of(infer_recipe(files, columns, spec).shape, class_values(files, columns)[0])


def load(spec: ParquetSpec) -> Loaded:
    """Load every picture; decoded pictures are cached."""
    from zoo.data import Skipped, decoder_versions, file_stamps, load_cached

    files = list_files(spec.path)
    options = spec.model_dump(include={"size", "fit", "channels", "image", "label"})
    key = {"kind": "parquet", **options, **decoder_versions()}
    loaded = load_cached(
        key | {split: file_stamps(paths) for split, paths in files.items()}, lambda: decode_all(spec, files)
    )
    Skipped(count_rows(files), spec.max_bad, list(loaded.skipped)).check()
    return loaded


def decode_all(spec: ParquetSpec, files: Files) -> Loaded:
    """Decode every picture; raise DataError if too many cannot be read."""
    from zoo.data import Loaded, Skipped, decode_pictures

    columns = common_columns(files, spec)
    shape, (classes, labels) = infer_recipe(files, columns, spec), class_values(files, columns)
    skipped = Skipped(count_rows(files), spec.max_bad)
    parts = {
        split: decode_pictures(
            count_rows({split: paths}), labelled_chunks(paths, columns, labels, shape.chunk), shape, skipped
        )
        for split, paths in files.items()
    }
    return Loaded(**parts, captions=(), classes=classes, skipped=tuple(skipped.found))


def labelled_chunks(
    paths: list[Path], columns: Columns, labels: dict[Any, int], count: int
) -> Iterator[tuple[list[NamedSource], list[int]]]:
    """Yield chunks of pictures with their labels; a row without a label counts as an unreadable picture."""
    for path in paths:
        with open_parquet(path) as file:
            row = 0
            for images, values in read_batches(file, columns, count):
                names = [f"{path.name} row {row + index}" for index in range(len(values))]
                if unknown := [value for value in values if value is not None and value not in labels]:
                    raise DataError(f"{path.name} has label {unknown[0]!r}, which is not among the classes")
                known = [image if value is not None else None for image, value in zip(images, values, strict=True)]
                yield list(zip(names, known, strict=True)), [labels.get(value, 0) for value in values]
                row += len(values)


def read_batches(file: ParquetFile, columns: Columns, count: int) -> Iterator[tuple[list[bytes | None], list[Any]]]:
    """Yield the encoded pictures and the labels of `count` rows at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in file.iter_batches(count, columns=columns.read(file.schema_arrow)):
        images = batch.column(columns.image)
        if pa.types.is_struct(images.type):
            images = pc.struct_field(images, "bytes")
        yield images.to_pylist(), batch.column(columns.label).to_pylist()


def infer_recipe(files: Files, columns: Columns, spec: ParquetSpec) -> Recipe:
    """Infer the shape of the pictures from the first rows."""
    from zoo.data import infer_shape

    path = files["train"][0]
    with open_parquet(path) as file:
        images = next((images for images, _ in read_batches(file, columns, FIRST_ROWS)), [])
    return infer_shape([(f"{path.name} row {row}", image) for row, image in enumerate(images)], spec, resize=False)


def class_values(files: Files, columns: Columns) -> tuple[tuple[str, ...], dict[Any, int]]:
    """List the class names, and map each value of the label column to its label."""
    if columns.classes:
        return columns.classes, {value: value for value in range(len(columns.classes))}
    values: set[Any] = set()
    for path in files["train"]:
        with open_parquet(path) as file:
            for batch in file.iter_batches(columns=[columns.label]):
                values |= set(batch.column(0).unique().to_pylist())
    found = sorted(values - {None})
    return tuple(map(str, found)), {value: label for label, value in enumerate(found)}


def common_columns(files: Files, spec: ParquetSpec) -> Columns:
    """Find the columns of the training files; raise DataError if another file has different ones."""

    first: tuple[Columns, list[Any]] | None = None
    for path in (path for paths in files.values() for path in paths):
        with open_parquet(path) as file:
            columns = find_columns(file.schema_arrow, spec.image, spec.label)
            types = [file.schema_arrow.field(name).type for name in columns[:2]]
        first = first or (columns, types)
        if first != (columns, types):
            raise DataError(
                f"{path} has other columns or classes than {files['train'][0]}; give the folder of a single data set"
            )
    return first[0] if first else Columns("", "", ())


def count_rows(files: Files) -> int:
    """Count the rows of all files from their metadata."""
    total = 0
    for path in (path for paths in files.values() for path in paths):
        with open_parquet(path) as file:
            total += file.metadata.num_rows
    return total


@contextmanager
def open_parquet(path: Path) -> Iterator[ParquetFile]:
    """Open a Parquet file; any error while it is read becomes a DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # pre_buffer would read a whole column chunk ahead, which may be most of the file
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"cannot read {path} ({reason}); download it again") from error


def list_files(path: Path | tuple[Path, ...]) -> Files:
    """List the files of each split; if no file name contains a split, all files are training data."""
    roots = (path,) if isinstance(path, Path) else path
    found = [(file, split_of(file, root, alone=len(roots) == 1)) for root in roots for file in find_files(root)]
    named = {split: [file for file, own in found if own == split] for split in ("train", "valid", "test")}
    files = {split: some for split, some in named.items() if some} or {"train": [file for file, _ in found]}
    if "train" not in files:
        raise DataError(f"no training file in {' '.join(map(str, roots))}: its name should begin with `train`")
    return files


def find_files(path: Path) -> list[Path]:
    """List the Parquet files at a path by name; raise DataError if there are none."""
    path = path.expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        here = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path} does not exist", did_you_mean(path.name, here))
    found = [each for each in sorted(path.rglob("*.parquet")) if each.is_file()]
    found = [each for each in found if not any(part.startswith(".") for part in each.relative_to(path).parts)]
    if not found:
        raise DataError(f"no .parquet files in {path}")
    return found


def split_of(file: Path, root: Path, *, alone: bool) -> str | None:
    """Infer the split from the name of the file or of its nearest folder; a single file is training data."""
    root = root.expanduser()
    parts = file.relative_to(root).parts or (() if alone else (file.name,))
    for part in reversed(parts):
        if found := SPLIT.match(part):
            name = found.group(1).lower()
            return name if name in {"train", "test"} else "valid"
    return None


def find_columns(schema: pa.Schema, image: str | None, label: str | None) -> Columns:
    """Find the columns by option, else by the `huggingface` metadata, else by type if only one has it."""
    declared = declared_features(schema)
    image = pick_column(schema, "image", image, columns_declared_as(declared, "Image"), holds_pictures)
    label = pick_column(schema, "label", label, columns_declared_as(declared, "ClassLabel"), is_label)
    return Columns(image, label, class_names(declared.get(label)))


def pick_column(
    schema: pa.Schema, option: str, requested: str | None, declared: list[str], fits: Callable[[pa.DataType], bool]
) -> str:
    """Choose one column; raise DataError with the option to set if the choice is not unique."""
    fitting = [column.name for column in schema if fits(column.type)]
    if requested is not None:
        if requested in fitting:
            return requested
        if requested in schema.names:
            raise DataError(
                f"column {requested!r} has type {schema.field(requested).type}; it cannot be the {option} column"
            )
        raise DataError(f"no column {requested!r}", did_you_mean(requested, fitting or schema.names))
    for names in (declared, [name for name in USUAL_LABELS if option == "label"], fitting):
        known = [name for name in names if name in fitting]
        if known and (names is not fitting or len(known) == 1):
            return known[0]
    if fitting:
        raise DataError(f"several columns could be the {option}: {', '.join(fitting)}; set `{option}`")
    raise DataError(f"no {option} column found among {', '.join(schema.names) or 'none'}; is this a set of pictures?")


def declared_features(schema: pa.Schema) -> dict[str, Any]:
    """Read the features that the `huggingface` metadata declares, by column."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
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


def is_label(column_type: pa.DataType) -> bool:
    """Whether a column can hold labels: integers or strings, dictionary-encoded or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(column_type):
        return is_label(column_type.value_type)
    return bool(
        pa.types.is_integer(column_type) or pa.types.is_string(column_type) or pa.types.is_large_string(column_type)
    )
