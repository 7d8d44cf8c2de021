"""Input pictures of a run: files, folders and `test:12`, decoded to its shape."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.core.errors import DataError, ZooError
from zoo.core.files import expand_user
from zoo.core.notes import collect_notes, note
from zoo.core.sections import PictureSpec
from zoo.core.walk import format_left_out, is_folder, picture_files
from zoo.data.dataset import Pictures
from zoo.data.decode import Picture, Recipe, decode_picture, strict_pillow_warnings
from zoo.registry.data_source import Data, with_data
from zoo.registry.entry import Entry
from zoo.registry.overrides import refuse_without_effect
from zoo.registry.raw_entry import option_of, typed_options
from zoo.runs.run import Run

if TYPE_CHECKING:
    from zoo.core.types import DataInfo


SPLIT_OPTIONS = ("valid", "test", "split_seed", "limit", "imbalance", "folds", "fold")
TEST_PICTURE = re.compile(r"test:([0-9]{1,9})")
ANY_PICTURE = re.compile(r"(train|valid|test):[0-9.+-]*")
"""What looks like the name of a picture of a split, but may be none."""


def check_pictures(run: Run, changed: Entry, info: DataInfo, split: str, pictures: Pictures) -> None:
    """Raise DataError if metrics on these pictures would be meaningless or too optimistic."""
    # the name of a single class is that of its folder, or made up
    if info.classes != run.info.classes and max(len(info.classes), len(run.info.classes)) > 1:
        theirs, ours = (", ".join(each.classes) for each in (info, run.info))
        raise DataError(
            f"the run was trained on the classes {ours:.100}; the data has {theirs:.100}",
            "name data with the same classes, e.g. --data DIR",
        )
    if info.shape != run.info.shape:
        raise DataError(
            f"the run takes pictures of shape {run.info.shape}; the data has {info.shape}", "check the data options"
        )
    if not len(pictures):
        raise DataError(
            f"the {split} split has no pictures", "choose another split, or name other data with --data DIR"
        )
    if pictures.fingerprint() == run.record.get("fingerprints", {}).get(split):
        refuse_same_split(run, changed, split)
        return
    if changed.data.dump() == run.entry.data.dump():
        raise DataError(
            f"the pictures changed after {run.label} was trained, so its {split} split may contain training pictures",
            "choose other data, e.g. --data DIR",
        )
    for name in SPLIT_OPTIONS if same_source(changed, run.entry) else ():
        if getattr(changed.data.spec, name) != getattr(run.entry.data.spec, name):
            raise DataError(
                f"data.{name} changes how pictures are split, so the {split} split may contain training pictures",
                "leave it out",
            )


def refuse_same_split(run: Run, changed: Entry, split: str) -> None:
    """Raise ZooError for a changed option of how pictures are split if the split is that of the run all the same."""
    for name in SPLIT_OPTIONS if same_source(changed, run.entry) else ():
        if getattr(changed.data.spec, name) != getattr(run.entry.data.spec, name):
            raise ZooError(f"data.{name} has no effect on the {split} split of {run.path}", "leave it out")


def same_source(one: Entry, other: Entry) -> bool:
    """Return whether two entries take their pictures from the same place."""
    sources = [
        (entry.data.name, *(getattr(entry.data.spec, name, None) for name in ("path", "fingerprint")))
        for entry in (one, other)
    ]
    return sources[0] == sources[1]


def run_overrides(run: Run, data: Data | None, overrides: Iterable[str]) -> list[str]:
    """Return the overrides with which a run is used on other data, which are read in the shape that its model takes.

    Raises ZooError for options of its training, which is over.
    """
    words = with_data(data, overrides)
    typed = [word for word in words if option_of(word) != "train.precision"]
    refuse_without_effect(typed, ["train", "tune"], f"{run.label}, which is trained", "train another run with it")
    if data is None:
        return words
    named = typed_options(words)
    spec = run.with_overrides(words).data.spec
    channels, height, width = run.info.shape
    shape = {"data.channels": channels} | ({"data.size": height} if height == width else {})
    fits = isinstance(spec, PictureSpec)
    return [*words, *(f"{key}={value}" for key, value in shape.items() if fits and key not in named)]


def load_test_split(run: Run) -> Pictures:
    """Load the test split of a run; DataError if its data has changed since training."""
    from zoo.registry.build import build_data

    with collect_notes():  # the run has them already
        splits, _ = build_data(run.entry.data)
    check_pictures(run, run.entry, splits.info, "test", splits.test)
    return splits.test


def first_pictures(pictures: Pictures, n: int) -> Pictures:
    """Return the first `n` pictures of a split."""
    if n < 1:
        raise ZooError(f"cannot reconstruct {n} pictures", "ask for at least one picture")
    texts = None if pictures.texts is None else pictures.texts.subset(torch.arange(min(n, len(pictures))))
    return Pictures(pictures.x[:n], pictures.y[:n], texts=texts)


def read_inputs(run: Run, names: Sequence[str], skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Read names and pictures from files, folders and the test split (`test:12`).

    Files that cannot be read are added to `skipped`. Raises DataError for a number outside the test split.
    """
    found: list[str] = []
    parts = []
    for numbered, group in groupby(names, lambda name: TEST_PICTURE.fullmatch(name) is not None):
        if numbered:
            chosen = list(group)
            found += chosen
            parts.append(numbered_pictures(load_test_split(run), chosen))
        else:
            paths, pictures = read_files(run, map(file_path, group), skipped)
            found += paths
            parts.append(pictures.x)
    return found, Pictures.of(torch.cat(parts).permute(0, 2, 3, 1), [0] * len(found))


def file_path(name: str) -> Path:
    """Return the path of a picture file; ZooError for what looks like a picture of a split, and is neither."""
    path = expand_user(name)
    if ANY_PICTURE.fullmatch(name) and not path.exists():
        raise ZooError(f"{name} names no picture", "those of the test split are test:0, test:1, ...")
    return path


def read_files(run: Run, paths: Iterable[Path], skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Read paths and pictures in the run's shape; unreadable files go to `skipped`."""
    recipe = run_recipe(run)
    files, found = expand_folders(paths, skipped), []
    while chunk := list(islice(files, recipe.chunk)):
        found += decode_files(chunk, recipe, skipped)
    x = (
        np.stack([picture for _, picture in found])
        if found
        else np.zeros((0, *recipe.shape[1:], recipe.channels), "u1")
    )
    return [str(path) for path, _ in found], Pictures.of(x, [0] * len(found))


def numbered_pictures(test: Pictures, names: Sequence[str]) -> Tensor:
    """Select pictures (N, C, H, W) of the test split by names such as `test:12`; DataError if there is no such one."""
    numbers = [int(name.partition(":")[2]) for name in names]
    for name, number in zip(names, numbers, strict=True):
        if number >= len(test):
            raise DataError(f"no picture {name}: the test split has test:0 to test:{len(test) - 1}")
    return test.x[numbers]


def read_pictures(run: Run, names: Sequence[str]) -> Tensor:
    """Read pictures from files or the test split, uint8 (N, C, H, W); DataError for one that cannot be read."""
    numbered = [name for name in names if TEST_PICTURE.fullmatch(name)]
    found = dict(zip(numbered, numbered_pictures(load_test_split(run), numbered), strict=True)) if numbered else {}
    return torch.stack([found[name] if name in found else read_picture(run, name)[0] for name in names])


def read_picture(run: Run, text: str) -> Tensor:
    """Read one picture from a file, uint8 (1, C, H, W)."""
    skipped: list[Skipped] = []
    found = [picture for _, picture in decode_files([file_path(text)], run_recipe(run), skipped)]
    if skipped:
        raise DataError(f"{text}: {skipped[0].reason}", "give a picture file, or test:0 for one of the test split")
    return Pictures.of(np.stack(found), [0]).x


class Skipped(NamedTuple):
    """A path that could not be read as a picture, and why."""

    path: str
    reason: str


def run_recipe(run: Run) -> Recipe:
    """Return how to decode picture files to the run's shape."""
    if run.info.shape[0] not in {1, 3}:
        raise ZooError(f"{run.label} takes {run.info.shape[0]} channels; picture files have 1 or 3")
    return run.recipe


def decode_files(paths: Iterable[Path], recipe: Recipe, skipped: list[Skipped]) -> list[tuple[Path, Picture]]:
    """Decode picture files to (H, W, C); unreadable files are added to `skipped`."""
    read = []
    with strict_pillow_warnings():
        for path in paths:
            picture = decode_picture(str(path), path, recipe)
            if isinstance(picture, str):
                skipped.append(Skipped(str(path), picture))
            else:
                read.append((path, picture))
    return read


def expand_folders(paths: Iterable[Path], skipped: list[Skipped]) -> Iterator[Path]:
    """Yield files as they are, and the pictures in folders; say what was left out of these."""
    left_out: Counter[str] = Counter()
    for path in paths:
        found = picture_files(path, left_out) if is_folder(path) else iter([path])
        first = next(found, None)
        if first is None:
            skipped.append(Skipped(str(path), "the folder has no pictures"))
            continue
        yield first
        yield from found
    if left_out:
        note(format_left_out(left_out))
