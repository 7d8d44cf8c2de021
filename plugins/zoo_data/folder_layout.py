"""The layout of a folder of pictures: which folders below it are splits, and which are classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from zoo.core import SPLIT_NAMES, DataError, format_left_out, picture_files, split_of, subfolders
from zoo_data.folder_captions import metadata_files

Listing = dict[str, list[tuple[Path, str]]]
"""The files of each split, with their class names."""
Parts = tuple[str, ...]
"""The folders and the name of a file, relative to the data folder."""
LIKE_SPLIT = re.compile(r"train|test|valid", re.IGNORECASE)
"""How the names of classes begin that may be splits, such as `trainA` and `testA`."""
MAX_NAMED = 5
LINK_DEPTH = 2
"""Depth to which links to folders are followed: those of splits and classes."""


class Layout(NamedTuple):
    """The files by split and class, with notes."""

    files: Listing
    notes: tuple[str, ...]
    """Which formats the files have, if several, and what was left out."""


def read_layout(root: Path) -> Layout:
    """Find splits, classes and pictures in a folder; raise DataError if it is ambiguous or has none."""
    return Tree(root).layout()


class Tree:
    """The pictures below a folder, grouped by the folders directly in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: Counter[str] = Counter()
        depth = len(root.parts)
        self.paths: dict[Parts, Path] = {
            path.parts[depth:]: path for path in picture_files(root, self.left_out, follow_links=LINK_DEPTH)
        }
        for path in chain.from_iterable(metadata_files(root, map("/".join, self.paths)).values()):
            self.left_out[f"{path.suffix} files"] -= 1
        self.left_out += Counter()  # drops what is not above 0
        self.loose: list[Parts] = [parts for parts in self.paths if len(parts) == 1]
        self.folders: dict[str, list[Parts]] = {}
        for parts in self.paths:
            if len(parts) > 1:
                self.folders.setdefault(parts[0], []).append(parts)
        self.splits = {name: split for name in self.folders if (split := split_of(name))}
        self.with_classes = [name for name in self.splits if any(len(parts) > 2 for parts in self.folders[name])]

    def layout(self) -> Layout:
        """Choose the layout: splits with classes, splits without, classes, or pictures of one class."""
        if any(self.splits[name] == "train" for name in self.with_classes):
            files = self.splits_of_classes()
        elif self.splits and len(self.splits) == len(self.folders):
            files = self.splits_of_one_class()
        elif self.folders:
            files = {"train": self.classes()}
        elif self.loose:
            files = {"train": self.one_class(self.loose)}
        else:
            found = format_left_out(self.left_out)
            raise DataError(f"no pictures in {self.root}", found or f"expected {self.root}/CLASS/*.png (or jpg, ...)")
        return Layout(files, tuple(filter(None, (describe_suffixes(files), format_left_out(self.left_out)))))

    def splits_of_classes(self) -> Listing:
        """List the files of PATH/train/CLASS and its like."""
        chosen = self.one_folder_per_split(self.with_classes)
        if unsorted := [name for name in self.splits if name not in self.with_classes]:
            self.leave_out(f"{list_names(unsorted)} without class folders", unsorted)
        if others := [name for name in self.folders if name not in self.splits]:
            self.leave_out(f"{list_names(others)} beside the splits", others)
        self.count_loose("pictures beside the splits", self.loose)
        self.count_empty(self.root, set(self.folders))
        files: Listing = {}
        for split, name in chosen.items():
            inner = self.folders[name]
            self.count_loose("pictures beside the class folders", [parts for parts in inner if len(parts) == 2])
            files[split] = [(self.paths[parts], parts[1]) for parts in inner if len(parts) > 2]
            self.count_empty(self.root / name, {parts[1] for parts in inner if len(parts) > 2})
        self.refuse_split_names({name for _, name in files["train"]}, chosen["train"])
        return files

    def splits_of_one_class(self) -> Listing:
        """List the files of PATH/train, perhaps beside PATH/test, without class folders."""
        chosen = self.one_folder_per_split(list(self.splits))
        if "train" not in chosen:
            names = list_names(list(self.splits))
            raise DataError(
                f"{self.root} has pictures of {list_names(list(chosen))} ({names}) but none to train on",
                f"expected {self.root}/train/CLASS/*.png",
            )
        if self.with_classes:
            raise DataError(
                f"{self.root / self.with_classes[0]} has class folders, but {self.root / chosen['train']} has none",
                "sort the training pictures into folders of the same classes",
            )
        self.count_loose("pictures beside the splits", self.loose)
        self.count_empty(self.root, set(self.folders))
        return {split: self.one_class(self.folders[name]) for split, name in chosen.items()}

    def classes(self) -> list[tuple[Path, str]]:
        """List the files of PATH/CLASS."""
        self.refuse_subsets()
        self.refuse_wrapped()
        self.refuse_split_names(set(self.folders), "")
        self.count_loose("pictures beside the class folders", self.loose)
        self.count_empty(self.root, set(self.folders))
        return [(path, parts[0]) for parts, path in self.paths.items() if len(parts) > 1]

    def one_class(self, pictures: list[Parts]) -> list[tuple[Path, str]]:
        """List files that are all of the class named as the data folder."""
        name = self.root.resolve().name or "pictures"
        return [(self.paths[parts], name) for parts in pictures]

    def one_folder_per_split(self, names: list[str]) -> dict[str, str]:
        """Find the folder of each split, in the order of the splits; raise DataError if there are several."""
        chosen: dict[str, str] = {}
        for split in SPLIT_NAMES:
            mine = [name for name in names if self.splits[name] == split]
            if len(mine) > 1:
                raise DataError(
                    f"{self.root} has several folders of {split} pictures: {list_names(mine)}",
                    "put their pictures together, or rename one",
                )
            if mine:
                chosen[split] = mine[0]
        return chosen

    def refuse_subsets(self) -> None:
        """Raise DataError if several folders each have a folder of the same split."""
        pairs = {pair: split_of(pair[1]) for pair in {parts[:2] for parts in self.paths if len(parts) > 2}}
        for split in SPLIT_NAMES:
            found = sorted(pair for pair, own in pairs.items() if own == split)
            if len({outer for outer, _ in found}) > 1:
                raise DataError(
                    f"{self.root} has several folders of {split} pictures: {list_names(['/'.join(p) for p in found])}",
                    f"give one set of them, e.g. data.path={self.root / found[0][0]}, or sort them as {split}/CLASS",
                )

    def refuse_wrapped(self) -> None:
        """Raise DataError if all pictures are in one folder that has several folders of its own."""
        depth, inner = 0, set(self.folders)
        while len(inner) == 1 and not any(len(parts) == depth + 1 for parts in self.paths):
            depth += 1
            inner = {parts[depth] for parts in self.paths if len(parts) > depth + 1}
        if depth and len(inner) > 1 and not any(len(parts) == depth + 1 for parts in self.paths):
            outer = next(iter(self.paths))[:depth]
            raise DataError(
                f"all pictures of {self.root} are in its folder {'/'.join(outer)}, which has the folders "
                f"{list_names(sorted(inner))}",
                f"give that folder: data.path={self.root.joinpath(*outer)}",
            )

    def refuse_split_names(self, classes: set[str], below: str) -> None:
        """Raise DataError if the names of all classes are like those of splits."""
        if classes and all(split_of(name) or LIKE_SPLIT.match(name) for name in classes):
            where = self.root / below
            raise DataError(
                f"the names of the classes in {where} are like those of splits: {list_names(sorted(classes))}",
                f"sort the pictures as {self.root}/train/CLASS/*.png, {self.root}/test/CLASS/*.png",
            )

    def leave_out(self, kind: str, names: list[str]) -> None:
        """Count the pictures of some folders as left out."""
        self.left_out[f"pictures in {kind}"] += sum(len(self.folders[name]) for name in names)

    def count_loose(self, kind: str, pictures: Sequence[Parts]) -> None:
        """Count pictures that are in none of the folders used."""
        if pictures:
            self.left_out[kind] += len(pictures)

    def count_empty(self, folder: Path, used: set[str]) -> None:
        """Count the folders without pictures."""
        if empty := [child.name for child in subfolders(folder) if child.name not in used]:
            self.left_out[f"folders without pictures: {list_names(empty)}"] += len(empty)


def describe_suffixes(files: Listing) -> str:
    """Count the files of each suffix; empty if all have the same."""
    counts = Counter(path.suffix.lower() for some in files.values() for path, _ in some)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{suffix} ({count})" for suffix, count in ordered) if len(counts) > 1 else ""


def list_names(names: list[str]) -> str:
    """List some names; of many only the first."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
