"""Input pictures of a run: files, folders and `test:12`, decoded to the shape that the run was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.core.errors import DataError, ZooError
from zoo.core.files import picture_files
from zoo.core.sections import PictureSpec
from zoo.data.dataset import Pictures
from zoo.data.decode import Picture, Recipe, decode_picture, strict_pillow_warnings
from zoo.registry.entry import Entry
from zoo.runs.run import Run

if TYPE_CHECKING:
    from zoo.core.types import DataInfo


SPLITS = ("train", "valid", "test")
SPLIT_OPTIONS = ("valid", "test", "split_seed", "limit", "imbalance")
TEST_PICTURE = re.compile(r"test:([0-9]{1,9})")


def check_pictures(run: Run, changed: Entry, info: DataInfo, split: str, pictures: Pictures) -> None:
    """Raise DataError where figures over these pictures would mean nothing, or would be too good to be true."""
    if info.classes != run.info.classes:
        theirs, ours = (", ".join(each.classes) for each in (info, run.info))
        raise DataError(f"the run knows the classes {ours:.100}; the data has {theirs:.100}")
    if info.shape != run.info.shape:
        raise DataError(
            f"the run knows pictures of {run.info.shape}; the data has {info.shape}", "see the data's options"
        )
    if not len(pictures):
        raise DataError(f"the {split} split has no pictures")
    if pictures.fingerprint() == run.record.get("fingerprints", {}).get(split):
        return
    if changed.data.dump() == run.entry.data.dump():
        raise DataError(
            f"the pictures have changed since {run.path} was trained, so its {split} split may hold training pictures",
            "name other data, as in data.path=DIR",
        )
    for name in SPLIT_OPTIONS:
        if getattr(changed.data.spec, name) != getattr(run.entry.data.spec, name):
            raise DataError(f"data.{name} deals the pictures anew, so the {split} split may hold training pictures")


def load_test_split(run: Run) -> Pictures:
    """The test split that a run was trained with; DataError where it is another one now."""
    from zoo.registry.build import build_data

    splits, _ = build_data(run.entry.data)
    check_pictures(run, run.entry, splits.info, "test", splits.test)
    return splits.test


def first_pictures(pictures: Pictures, n: int) -> Pictures:
    """The first pictures of a split."""
    if n < 1:
        raise ZooError(f"cannot reconstruct {n} pictures", "ask for at least one")
    return Pictures(pictures.x[:n], pictures.y[:n])


def read_inputs(run: Run, names: Sequence[str], skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Names and pictures of files, of what is in folders, and of `test:12` and the like; what cannot be read is listed.

    Raises DataError for a number that the test split does not have.
    """
    found: list[str] = []
    parts = []
    for numbered, group in groupby(names, lambda name: TEST_PICTURE.fullmatch(name) is not None):
        if numbered:
            each = [(name, read_picture(run, name)) for name in group]
            found += [name for name, _ in each]
            parts += [x for _, x in each]
        else:
            paths, pictures = read_files(run, map(Path, group), skipped)
            found += paths
            parts.append(pictures.x)
    return found, Pictures.of(torch.cat(parts).permute(0, 2, 3, 1), [0] * len(found))


def read_files(run: Run, paths: Iterable[Path], skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Paths and pictures in the run's shape; what cannot be read is listed."""
    shape = run_recipe(run)
    files, found = expand_folders(paths, skipped), []
    while chunk := list(islice(files, shape.chunk)):
        found += decode_files(chunk, shape, skipped)
    x = np.stack([picture for _, picture in found]) if found else np.zeros((0, *shape.shape[1:], shape.channels), "u1")
    return [str(path) for path, _ in found], Pictures.of(x, [0] * len(found))


def read_picture(run: Run, text: str) -> Tensor:
    """One picture, uint8 (1, C, H, W): of the test split by its number, or a file."""
    if match := TEST_PICTURE.fullmatch(text):
        pictures, number = load_test_split(run).x, int(match[1])
        if number >= len(pictures):
            raise DataError(f"no picture {text}: the test split has test:0 to test:{len(pictures) - 1}")
        return pictures[number : number + 1]
    skipped: list[Skipped] = []
    found = [picture for _, picture in decode_files([Path(text)], run_recipe(run), skipped)]
    if skipped:
        raise DataError(f"{text}: {skipped[0].reason}", "name a picture file, or test:0 for one of the test split")
    return Pictures.of(np.stack(found), [0]).x


class Skipped(NamedTuple):
    """A path that gave no prediction."""

    path: str
    reason: str


def run_recipe(run: Run) -> Recipe:
    """The run's shape; another aspect ratio is made to fit as its data says, else by cutting to the middle."""
    channels, height, width = run.info.shape
    if channels not in {1, 3}:
        raise ZooError(f"{run.path} takes {channels} channels; picture files have 1 or 3")
    spec = run.entry.data.spec
    fit = spec.fit if isinstance(spec, PictureSpec) else "crop"
    return Recipe(height, width, channels, fit, same_size=False, all_grey=False)


def decode_files(paths: Iterable[Path], shape: Recipe, skipped: list[Skipped]) -> list[tuple[Path, Picture]]:
    """The pictures (H, W, C) that can be read; the others are listed."""
    read = []
    with strict_pillow_warnings():
        for path in paths:
            picture = decode_picture(str(path), path, shape)
            if isinstance(picture, str):
                skipped.append(Skipped(str(path), picture))
            else:
                read.append((path, picture))
    return read


def expand_folders(paths: Iterable[Path], skipped: list[Skipped]) -> Iterator[Path]:
    """Files as they are given, and the pictures in folders."""
    for path in paths:
        found = picture_files(path) if path.is_dir() else iter([path])
        first = next(found, None)
        if first is None:
            skipped.append(Skipped(str(path), "a folder without pictures"))
            continue
        yield first
        yield from found
