"""Parquet files with encoded pictures, as on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core import DataInfo, PictureSpec
from zoo_data.known_classes import known_classes
from zoo_data.parquet_columns import Columns, common_columns
from zoo_data.parquet_files import Files, list_files, open_parquet
from zoo_data.parquet_labels import Labels, read_labels

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    from zoo.data import Chunk, Loaded, NamedSource, PictureText, Recipe

FIRST_ROWS = 32
"""Pictures from which the shape is inferred."""


class ParquetSpec(PictureSpec):
    """Options of Parquet files with a column of encoded pictures and one of labels.

    A column `text` or `caption`, of texts or lists of texts, gives captions, unless `label` names it.
    Without `size`, all pictures must have the same size.
    """

    path: Path | tuple[Path, ...]
    """Files, or a folder with files at any depth; a word such as train, valid(ation) or test in the name of a file or
    of its folder gives the split."""
    image: str | None = None
    """Column with the pictures; default is detected from the metadata or types."""
    label: str | None = None
    """Column with the labels: whole numbers, text or true and false; default is detected likewise. Without labels, all
    pictures are one class, which is enough for a generator."""


def info(spec: ParquetSpec) -> DataInfo:
    """Infer shape and classes from the schema, the labels and the first rows."""
    files = list_files(spec.path)
    columns = common_columns(files, spec.image, spec.label)
    shape, classes = infer_recipe(files, columns, spec).shape, read_labels(files, columns).classes
    if columns.text is None:
        return DataInfo.of(shape, classes)
    from zoo.data import Texts, some_texts, vocabulary

    texts = Texts.of(text for path in files["train"] for text in read_texts(path, columns.text))
    classes = known_classes(classes, texts)
    return DataInfo.of(shape, classes, words=vocabulary(texts), examples=some_texts(texts))


def load(spec: ParquetSpec) -> Loaded:
    """Load every picture; decoded pictures are cached."""
    from zoo.data import Skipped, decoder_versions, file_stamps, load_cached

    files = list_files(spec.path)
    columns = common_columns(files, spec.image, spec.label)
    labels = read_labels(files, columns)
    files = {split: paths for split, paths in files.items() if split in labels.rows}
    options = spec.model_dump(include={"size", "fit", "channels", "image", "label"})
    key = {"kind": "parquet", **options, **decoder_versions(), "classes": labels.classes, "rows": labels.rows}
    key |= {"text": columns.text} if columns.text else {}
    loaded = load_cached(
        key | {split: file_stamps(paths) for split, paths in files.items()},
        lambda: decode_all(spec, files, columns, labels),
    )
    Skipped(sum(labels.rows.values()), spec.max_bad, list(loaded.skipped)).check()
    return loaded


def decode_all(spec: ParquetSpec, files: Files, columns: Columns, labels: Labels) -> Loaded:
    """Decode every picture that has a label; raise DataError if too many cannot be read."""
    from zoo.data import Loaded, Skipped, decode_pictures

    shape = infer_recipe(files, columns, spec)
    skipped = Skipped(sum(labels.rows.values()), spec.max_bad)
    parts = {
        split: decode_pictures(labels.rows[split], labelled_chunks(paths, columns, labels, shape.chunk), shape, skipped)
        for split, paths in files.items()
    }
    notes = skipped.seen.notes(shape)
    classes = known_classes(labels.classes, parts["train"].texts)
    return Loaded(**parts, captions=(), notes=notes, classes=classes, skipped=tuple(skipped.found))


def labelled_chunks(paths: list[Path], columns: Columns, labels: Labels, count: int) -> Iterator[Chunk]:
    """Yield chunks of pictures with their labels and captions; rows without a label are left out."""
    for path in paths:
        row = 0
        with open_parquet(path) as file:
            for images, values, texts in read_batches(file, columns, count):
                found = [labels.of(value) for value in values]
                used = [index for index, label in enumerate(found) if label is not None]
                named: list[NamedSource] = [(f"{path.name} row {row + index}", images[index]) for index in used]
                if named:
                    own = [label for label in found if label is not None]
                    yield (named, own, [texts[index] for index in used]) if columns.text else (named, own)
                row += len(images)


def read_texts(path: Path, column: str) -> Iterator[PictureText]:
    """Yield the captions of a file; nothing if it has none."""
    with open_parquet(path) as file:
        if column in file.schema_arrow.names:
            for batch in file.iter_batches(columns=[column]):
                yield from batch.column(0).to_pylist()


def read_batches(
    file: ParquetFile, columns: Columns, count: int
) -> Iterator[tuple[list[bytes | None], list[object], list[PictureText]]]:
    """Yield the encoded pictures, the values of the label column and the captions of `count` rows at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in file.iter_batches(count, columns=columns.read(file.schema_arrow)):
        images = batch.column(columns.image)
        if pa.types.is_struct(images.type):
            images = pc.struct_field(images, "bytes")
        yield images.to_pylist(), values_of(batch, columns.label), values_of(batch, columns.text)


def values_of(batch: pa.RecordBatch, column: str | None) -> list[Any]:
    """Return the values of a column, None for each row if there is no such column."""
    values: list[Any] = [None] * batch.num_rows
    return batch.column(column).to_pylist() if column in batch.schema.names else values


def infer_recipe(files: Files, columns: Columns, spec: ParquetSpec) -> Recipe:
    """Infer the shape of the pictures from the first rows."""
    from zoo.data import infer_shape

    named: list[NamedSource] = []
    for path in files["train"]:
        with open_parquet(path) as file:
            images = next((images for images, _, _ in read_batches(file, columns, FIRST_ROWS)), [])
        if named := [(f"{path.name} row {row}", image) for row, image in enumerate(images)]:
            break
    return infer_shape(named, spec, resize=False)
