"""Folders of pictures: one folder per class, optionally below train, valid and test, perhaps with captions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core import DataError, DataInfo, PictureSpec, did_you_mean, expand_user, subfolders
from zoo_data.folder_captions import Captions, read_captions, relative_name
from zoo_data.folder_layout import Layout, Listing, list_names, read_layout
from zoo_data.known_classes import known_classes

if TYPE_CHECKING:
    from zoo.data import Loaded, NamedSource, Recipe


class FolderSpec(PictureSpec):
    """Options of a folder with one subfolder per class, or with a `metadata.csv` of captions.

    Without `size`, pictures that all have the same size up to 64 pixels keep it; others become squares whose side is
    the median of the shorter sides, at most 64.
    """

    path: Path
    """Folder with PATH/CLASS/*.png, or with PATH/train/CLASS/*.png and optionally PATH/valid (or val) and PATH/test;
    for a generator also PATH/*.png. Captions are in metadata.csv or metadata.jsonl, columns file_name and text."""

    @property
    def root(self) -> Path:
        """The folder, with `~` expanded."""
        return expand_user(self.path)


def info(spec: FolderSpec) -> DataInfo:
    """Infer shape and classes from the file names and a few picture headers."""
    from zoo.data import Texts, some_texts, vocabulary

    files = find_files(spec).files
    captions = captions_of(spec.root, files).texts
    classes = class_names(files)
    if not captions:
        return DataInfo.of(infer_recipe(spec, files).shape, classes)
    texts = Texts.of(captions.get(relative_name(spec.root, path)) for path, _ in files["train"])
    classes = known_classes(classes, texts)
    shape = infer_recipe(spec, files).shape
    return DataInfo.of(shape, classes, words=vocabulary(texts), examples=some_texts(texts))


def load(spec: FolderSpec) -> Loaded:
    """Load every picture; decoded pictures are cached."""
    from zoo.data import Skipped, decoder_versions, file_stamps, load_cached

    files, notes = find_files(spec)
    paths = [path for split in files.values() for path, _ in split]
    options = spec.model_dump(include={"size", "fit", "channels"})
    regular = [path for path in paths if os.path.isfile(path)]  # noqa: PTH113 - Path.is_file may raise
    odd = [relative_name(spec.root, path) for path in set(paths).difference(regular)]
    key = {"kind": "folder", **options, **decoder_versions(), "files": file_stamps(regular, spec.root)}
    key |= {"odd": sorted(odd), "splits": {split: len(some) for split, some in files.items()}}
    key |= {"classes": class_names(files)}
    loaded = load_cached(key, lambda: decode_all(spec, files))
    Skipped(len(paths), spec.max_bad, list(loaded.skipped)).check()
    captions = captions_of(spec.root, files)
    named = with_captions(with_names(loaded, spec.root, files), captions.texts)
    return replace(named, notes=(*loaded.notes, *notes, *captions.notes))


def captions_of(root: Path, files: Listing) -> Captions:
    """Read the captions of the pictures of all splits."""
    return read_captions(root, [relative_name(root, path) for some in files.values() for path, _ in some])


def with_captions(loaded: Loaded, captions: dict[str, list[str]]) -> Loaded:
    """Add captions to named pictures; nothing if there are none."""
    from zoo.data import Texts

    if not captions:
        return loaded
    texts = {split: Texts.of(map(captions.get, part.names)) for split, part in loaded.parts().items()}
    parts: dict[str, Any] = {split: replace(part, texts=texts[split]) for split, part in loaded.parts().items()}
    return replace(loaded, **parts, classes=known_classes(loaded.classes, texts["train"]))


def with_names(loaded: Loaded, root: Path, files: Listing) -> Loaded:
    """Name each picture by its path within the folder."""
    unread = {name for name, _ in loaded.skipped}
    parts: dict[str, Any] = {}
    for split, part in loaded.parts().items():
        names = tuple(name for path, _ in files[split] if (name := relative_name(root, path)) not in unread)
        parts[split] = replace(part, names=names)
    return replace(loaded, **parts)


def decode_all(spec: FolderSpec, files: Listing) -> Loaded:
    """Decode every picture; raise DataError if too many cannot be read."""
    from zoo.data import Loaded, Skipped, decode_pictures

    shape, names = infer_recipe(spec, files), class_names(files)
    skipped = Skipped(sum(map(len, files.values())), spec.max_bad)
    parts = {
        split: decode_pictures(len(some), labelled_chunks(spec.root, some, names, shape.chunk), shape, skipped)
        for split, some in files.items()
    }
    notes = skipped.seen.notes(shape)
    return Loaded(**parts, captions=(), classes=names, skipped=tuple(skipped.found), notes=notes)


def labelled_chunks(
    root: Path, files: list[tuple[Path, str]], names: tuple[str, ...], count: int
) -> Iterator[tuple[list[NamedSource], list[int]]]:
    """Yield chunks of files, named by their relative paths, with their labels."""
    labels = {name: label for label, name in enumerate(names)}
    for start in range(0, len(files), count):
        some = files[start : start + count]
        yield [(relative_name(root, path), path) for path, _ in some], [labels[name] for _, name in some]


def infer_recipe(spec: FolderSpec, files: Listing) -> Recipe:
    """Infer the shape of the pictures from a sample spread over the training files."""
    from zoo.data import SAMPLE_COUNT, infer_shape

    train = files["train"]
    some = train[:: max(1, len(train) // SAMPLE_COUNT)]
    return infer_shape([(relative_name(spec.root, path), path) for path, _ in some], spec, resize=True)


def class_names(files: Listing) -> tuple[str, ...]:
    """List the class names in alphabetical order."""
    return tuple(sorted({name for _, name in files["train"]}))


def find_files(spec: FolderSpec) -> Layout:
    """List all picture files by split and class; raise DataError if there are none, or they cannot be told apart."""
    return leave_out_unknown_classes(read_layout(check_folder(spec.root)))


def leave_out_unknown_classes(layout: Layout) -> Layout:
    """Leave out, with a note, classes that only valid or test has; raise DataError if it has no others."""
    names, notes = set(class_names(layout.files)), list(layout.notes)
    files: Listing = {}
    for split, some in layout.files.items():
        files[split] = [(path, name) for path, name in some if name in names]
        if len(files[split]) < len(some):
            unknown = list_names(sorted({repr(name) for _, name in some} - {repr(name) for name in names}))
            if not files[split]:
                text = f"{split} has pictures of class {unknown}, but train of {list_names(sorted(map(repr, names)))}"
                raise DataError(text, "give class folders the same names in every split")
            count = len(some) - len(files[split])
            notes.append(f"left out: {split} pictures of classes without training pictures, {unknown} ({count})")
    return Layout(files, tuple(notes))


def check_folder(path: Path) -> Path:
    """Return the path if it is a folder, else raise DataError."""
    # unlike their like in pathlib, these do not raise where one may not look
    if os.path.isdir(path):  # noqa: PTH112
        return path
    if os.path.exists(path):  # noqa: PTH110
        raise DataError(f"{path} is a file; give the folder that contains the class folders")
    here = [child.name for child in subfolders(path.parent)] if os.path.isdir(path.parent) else []  # noqa: PTH112
    raise DataError(f"{path} does not exist", did_you_mean(path.name, here))
