"""Folders of pictures: one folder per class, optionally below train, valid and test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.core import SPLIT_NAMES, DataError, DataInfo, PictureSpec, did_you_mean, picture_files

if TYPE_CHECKING:
    from zoo.data import Loaded, NamedSource, Recipe

log = logging.getLogger("zoo")

Listing = dict[str, list[tuple[Path, str]]]
"""The files of each split, with their class names."""


class FolderSpec(PictureSpec):
    """Options of a folder with one subfolder per class.

    Without `size`, pictures that all have the same size up to 64 pixels keep it; others become squares whose side is
    the median of the shorter sides, at most 64.
    """

    path: Path
    """Folder with PATH/CLASS/*.png, or with PATH/train/CLASS/*.png and optionally PATH/valid (or val) and PATH/test."""

    @property
    def root(self) -> Path:
        """The folder, with `~` expanded."""
        return self.path.expanduser()


def info(spec: FolderSpec) -> DataInfo:
    """Infer shape and classes from the file names and a few picture headers."""
    files = list_files(spec)
    return DataInfo.of(infer_recipe(spec, files).shape, class_names(files))


def load(spec: FolderSpec) -> Loaded:
    """Load every picture; decoded pictures are cached."""
    from zoo.data import Skipped, decoder_versions, file_stamps, load_cached

    files = list_files(spec)
    paths = [path for split in files.values() for path, _ in split]
    options = spec.model_dump(include={"size", "fit", "channels"})
    regular = [path for path in paths if path.is_file()]
    odd = [relative_name(spec.root, path) for path in paths if not path.is_file()]
    key = {"kind": "folder", **options, **decoder_versions(), "files": file_stamps(regular, spec.root), "odd": odd}
    loaded = load_cached(key, lambda: decode_all(spec, files))
    Skipped(len(paths), spec.max_bad, list(loaded.skipped)).check()
    return loaded


def decode_all(spec: FolderSpec, files: Listing) -> Loaded:
    """Decode every picture; raise DataError if too many cannot be read."""
    from zoo.data import Loaded, Skipped, decode_pictures

    shape, names = infer_recipe(spec, files), class_names(files)
    skipped = Skipped(sum(map(len, files.values())), spec.max_bad)
    parts = {
        split: decode_pictures(len(some), labelled_chunks(spec.root, some, names, shape.chunk), shape, skipped)
        for split, some in files.items()
    }
    return Loaded(**parts, captions=(), classes=names, skipped=tuple(skipped.found))


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


def relative_name(root: Path, path: Path) -> str:
    """Get a path relative to the data folder, with forward slashes."""
    return path.relative_to(root).as_posix()


def class_names(files: Listing) -> tuple[str, ...]:
    """List the class names in alphabetical order; raise DataError if another split has more."""
    names = sorted({name for _, name in files["train"]})
    for split, some in files.items():
        if extra := sorted({name for _, name in some} - set(names)):
            raise DataError(
                f"{split} has pictures of class {extra[0]!r}, but train has none (its classes: {', '.join(names)})"
            )
    return tuple(names)


def list_files(spec: FolderSpec) -> Listing:
    """List all picture files by split and class; raise DataError if there are none."""
    try:
        roots = split_folders(check_folder(spec.root))
        files = {split: list(labelled_paths(root)) for split, root in roots.items()}
    except OSError as error:
        raise DataError(f"cannot read the folder {error.filename}: {error.strerror}") from error
    if not files["train"]:
        root = roots["train"]
        raise DataError(f"no pictures in {root}: expected {root}/CLASS/*.png (or jpg, webp, bmp, gif)")
    return files


def check_folder(path: Path) -> Path:
    """Return the path if it is a folder, else raise DataError."""
    if path.is_dir():
        return path
    if path.exists():
        raise DataError(f"{path} is a file; give the folder that contains the class folders")
    here = [child.name for child in subfolders(path.parent)] if path.parent.is_dir() else []
    raise DataError(f"{path} does not exist", did_you_mean(path.name, here))


def split_folders(path: Path) -> dict[str, Path]:
    """Find the folder of each split; without a `train` folder of class folders, all of it is training data."""
    if not (path / "train").is_dir() or not subfolders(path / "train"):
        return {"train": path}
    found = {
        split: path / name for split, names in SPLIT_NAMES.items() for name in reversed(names) if (path / name).is_dir()
    }
    for split, root in list(found.items()):
        if not any(labelled_paths(root)):
            log.warning("%s has no class folders with pictures; ignoring it", root)
            del found[split]
    return {"train": path / "train", **found}


def subfolders(path: Path) -> list[Path]:
    """List the subfolders by name, without hidden ones."""
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def labelled_paths(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the picture files at any depth below each class folder, with the class name."""
    for folder in subfolders(root):
        for path in picture_files(folder):
            yield path, folder.name
