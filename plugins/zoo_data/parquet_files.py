"""The Parquet files of a data set: which split each holds, and how it is opened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo.core import (
    SPLIT_NAMES,
    DataError,
    ZooError,
    data_files,
    did_you_mean,
    expand_user,
    format_left_out,
    note,
    split_of,
)

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

WORD = re.compile(r"[^\W\d_]+")
"""Letters between other characters."""
Files = dict[str, list[Path]]
"""The Parquet files of each split."""


class LocatedFile(NamedTuple):
    """A file with what its path says."""

    file: Path
    split: str | None
    """None if neither its name nor a folder names a split."""
    subset: str
    """What the path says before the split, such as a folder of the subset `fine`; empty if nothing."""


def list_files(path: Path | tuple[Path, ...]) -> Files:
    """List the files of each split; if no file name contains a split, all files are training data."""
    roots = (path,) if isinstance(path, Path) else path
    found = [locate_file(file, root, alone=len(roots) == 1) for root in roots for file in find_files(root)]
    if all(each.split is None for each in found):
        return {"train": [each.file for each in found]}
    where = " ".join(map(str, roots))
    if unnamed := [each.file.name for each in found if each.split is None]:
        more = f" and {len(unnamed) - 3} more" if len(unnamed) > 3 else ""
        note(f"{', '.join(unnamed[:3])}{more} in {where}: left out, for the name says no split as those of others do")
    if isinstance(path, Path):
        refuse_subsets(found, path)
    files = {split: [each.file for each in found if each.split == split] for split in SPLIT_NAMES}
    if not files["train"]:
        raise DataError(f"no file in {where} holds training pictures", "put `train` into the name of those that do")
    return {split: some for split, some in files.items() if some}


def find_files(path: Path) -> list[Path]:
    """List the Parquet files at a path by name; raise DataError if there are none."""
    path = expand_user(path)
    if path.is_file():
        return [path]
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is neither a file nor a folder")
    if not path.is_dir():
        here = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path} does not exist", did_you_mean(path.name, here))
    left_out: Counter[str] = Counter()
    found = sorted(each for each in data_files(path, {".parquet"}, left_out) if each.is_file())
    if not found:
        raise DataError(f"no .parquet files in {path}", format_left_out(left_out))
    if left_out:
        note(f"{format_left_out(left_out)} of {path}", usual=True)
    return found


def locate_file(file: Path, root: Path, *, alone: bool) -> LocatedFile:
    """Read split and subset from the name of a file, else from its nearest folder; a single file is training data."""
    parts = file.relative_to(expand_user(root)).parts or (() if alone else (file.name,))
    for index in range(len(parts) - 1, -1, -1):
        if split := split_of(parts[index]):
            words = WORD.findall(file.stem) if index == len(parts) - 1 else []
            # in `mnist-00000-train.parquet` the letters are the subset's name, the digits a shard's
            before = " ".join(takewhile(lambda word: split_of(word) is None, words))
            return LocatedFile(file, split, "/".join([*parts[:index], before] if before else parts[:index]))
    return LocatedFile(file, None, "")


def refuse_subsets(found: list[LocatedFile], root: Path) -> None:
    """Raise DataError if several subsets each have a split of the same name."""
    for split in SPLIT_NAMES:
        subsets = {each.subset: each.file for each in found if each.split == split}
        if len(subsets) > 1:
            names = ", ".join(sorted(subset or "." for subset in subsets)[:5])
            first = min(subsets)
            example = root / first if first and (root / first).is_dir() else subsets[first]
            raise DataError(
                f"{root} has {len(subsets)} subsets that each have a {split} split: {names}",
                f"give one of them, e.g. data.path={example}",
            )


def count_rows(paths: list[Path]) -> int:
    """Count the rows of files from their metadata."""
    total = 0
    for path in paths:
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
    except ZooError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{path} has text that is not UTF-8", "write it again with text as UTF-8") from error
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        # damaged files raise any of these
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"cannot read {path} ({reason})", "download it again") from error
