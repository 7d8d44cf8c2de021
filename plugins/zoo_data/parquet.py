"""Parquet files with encoded pictures, as the Hugging Face hub serves data sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core import DataError, DataInfo, PictureSpec, did_you_mean

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

    from zoo.data import Loaded, NamedSource, Recipe
    from zoo_data.columns import Columns

SPLIT = re.compile(r"(train|test|valid|val|dev)(idation)?(?![a-z])", re.IGNORECASE)
FIRST_ROWS = 32

Files = dict[str, list[Path]]


class ParquetSpec(PictureSpec):
    """Options of Parquet files with a column of encoded pictures and one of labels.

    Where `size` is not given, all pictures must have the same.
    """

    path: Path | tuple[Path, ...]
    """Files, or a folder with files at any depth; file names beginning with train, valid(ation) or test give the
    split."""
    image: str | None = None
    """Column with the pictures; default is detected from the metadata or types."""
    label: str | None = None
    """Column with the labels, integers or text; default is detected likewise."""


def info(spec: ParquetSpec) -> DataInfo:
    """Shape and classes from the schema and the first rows."""
    files = list_files(spec.path)
    columns = common_columns(files, spec)
    return DataInfo.of(infer_recipe(files, columns, spec).shape, class_values(files, columns)[0])


def load(spec: ParquetSpec) -> Loaded:
    """Every picture, decoded once and kept in the cache."""
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
    """Decode every picture; raises DataError where too many cannot be read."""
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
    """Yield some rows at a time with their labels; a row without a label counts as a picture that cannot be read."""
    for path in paths:
        with open_parquet(path) as file:
            row = 0
            for images, values in read_batches(file, columns, count):
                names = [f"{path.name} row {row + place}" for place in range(len(values))]
                if unknown := [value for value in values if value is not None and value not in labels]:
                    raise DataError(f"{path.name} has label {unknown[0]!r}, which is not among the classes")
                known = [image if value is not None else None for image, value in zip(images, values, strict=True)]
                yield list(zip(names, known, strict=True)), [labels.get(value, 0) for value in values]
                row += len(values)


def read_batches(file: ParquetFile, columns: Columns, count: int) -> Iterator[tuple[list[bytes | None], list[Any]]]:
    """Yield encoded pictures and labels of some rows at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in file.iter_batches(count, columns=columns.read(file.schema_arrow)):
        images = batch.column(columns.image)
        if pa.types.is_struct(images.type):
            images = pc.struct_field(images, "bytes")
        yield images.to_pylist(), batch.column(columns.label).to_pylist()


def infer_recipe(files: Files, columns: Columns, spec: ParquetSpec) -> Recipe:
    """The shape of the pictures, from the first rows."""
    from zoo.data import infer_shape

    path = files["train"][0]
    with open_parquet(path) as file:
        images = next((images for images, _ in read_batches(file, columns, FIRST_ROWS)), [])
    return infer_shape([(f"{path.name} row {row}", image) for row, image in enumerate(images)], spec, resize=False)


def class_values(files: Files, columns: Columns) -> tuple[tuple[str, ...], dict[Any, int]]:
    """Class names, and the label that stands for each value of the column."""
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
    """The columns of the training files, which those of every other file must be too."""
    from zoo_data.columns import find_columns

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
    """How many pictures the files say they hold."""
    total = 0
    for path in (path for paths in files.values() for path in paths):
        with open_parquet(path) as file:
            total += file.metadata.num_rows
    return total


@contextmanager
def open_parquet(path: Path) -> Iterator[ParquetFile]:
    """An open file; whatever is wrong with it is a DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # a whole column chunk would be read ahead otherwise, which may be most of the file
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"cannot read {path} ({reason}); download it again") from error


def list_files(path: Path | tuple[Path, ...]) -> Files:
    """The files of each split; those that name no split are training data only where no file names one."""
    roots = (path,) if isinstance(path, Path) else path
    found = [(file, split_of(file, root, alone=len(roots) == 1)) for root in roots for file in find_files(root)]
    named = {split: [file for file, own in found if own == split] for split in ("train", "valid", "test")}
    files = {split: some for split, some in named.items() if some} or {"train": [file for file, _ in found]}
    if "train" not in files:
        raise DataError(f"no training file in {' '.join(map(str, roots))}: its name should begin with `train`")
    return files


def find_files(path: Path) -> list[Path]:
    """Parquet files at a path, in the order of their names; raises DataError where there are none."""
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
    """The split that the file's name names, or the nearest folder below the root; a single file is training data."""
    root = root.expanduser()
    parts = file.relative_to(root).parts or (() if alone else (file.name,))
    for part in reversed(parts):
        if found := SPLIT.match(part):
            name = found.group(1).lower()
            return name if name in {"train", "test"} else "valid"
    return None
