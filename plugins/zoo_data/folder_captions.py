"""Captions of the pictures in a folder, from `metadata.csv` or `metadata.jsonl` as the Hugging Face hub has them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from posixpath import normpath
from typing import Any, NamedTuple

from zoo.core import DataError

FILES = ("metadata.csv", "metadata.jsonl")
NAME, TEXTS = "file_name", ("text", "caption")
"""The column with the path of a picture, relative to the metadata, and those with its caption."""


class Captions(NamedTuple):
    """The captions of pictures by their paths within the data folder, with notes on what was not used."""

    texts: dict[str, list[str]]
    notes: tuple[str, ...]


class Row(NamedTuple):
    """A row of metadata: a path relative to its folder, and its texts."""

    name: str
    texts: list[str]


def read_captions(root: Path, names: Iterable[str]) -> Captions:
    """Read the captions of pictures, whose `names` are their paths within the folder `root`.

    The metadata may lie in any folder above a picture, up to the root. Several rows of a picture are several captions.

    Raises DataError for a file that cannot be read.
    """
    known, found, notes = set(names), dict[str, list[str]](), list[str]()
    for folder, paths in metadata_files(root, known).items():
        notes += [f"{relative_name(root, paths[0])}: {text}" for text in read_file(paths[0], folder, known, found)]
        notes += [f"{relative_name(root, path)}: not read, since {paths[0].name} is beside it" for path in paths[1:]]
    return Captions({name: texts for name, texts in found.items() if texts}, tuple(notes))


def metadata_files(root: Path, names: Iterable[str]) -> dict[str, list[Path]]:
    """Find the metadata files by their folders, among those above pictures whose paths within `root` are `names`."""
    folders = sorted({parent for name in names for parent in parents(name)})
    found = {folder: [path for file in FILES if (path := root / folder / file).is_file()] for folder in folders}
    return {folder: paths for folder, paths in found.items() if paths}


def parents(name: str) -> Iterator[str]:
    """Yield the folders above a path within the data folder, the empty one for the data folder itself."""
    parts = name.split("/")[:-1]
    yield from ("/".join(parts[:count]) for count in range(len(parts) + 1))


def relative_name(root: Path, path: Path) -> str:
    """Get a path relative to the data folder, with forward slashes."""
    return path.relative_to(root).as_posix()


def read_file(path: Path, folder: str, known: set[str], found: dict[str, list[str]]) -> list[str]:
    """Add the captions of a metadata file to those `found`, and say what of it cannot be used."""
    bad: list[str] = []
    strange: list[str] = []
    rows = 0
    for number, row in rows_of(path):
        rows += 1
        parsed = parse_row(row)
        if isinstance(parsed, str):
            bad.append(f"line {number}: {parsed}")
            continue
        name = normpath(f"{folder}/{parsed.name}" if folder else parsed.name)
        if name not in known:
            strange.append(parsed.name)
        else:
            found.setdefault(name, []).extend(parsed.texts)
    lost = []
    if not rows:
        lost.append("it has no rows")
    if bad:
        lost.append(f"rows without a caption: {len(bad):,} ({bad[0]})")
    if strange:
        lost.append(f"rows of files that are no pictures here: {len(strange):,} ({strange[0]!r:.80})")
    return lost


def parse_row(row: Any) -> Row | str:
    """Return the path and the texts of a row, or say what is wrong with it."""
    if not isinstance(row, dict):
        return "no JSON object"
    name = row.get(NAME)
    column = next((each for each in sorted(TEXTS, key=lambda each: row.get(each) is None) if each in row), None)
    if not isinstance(name, str) or not name.strip():
        return f"no {NAME}" if NAME in row else f"no column {NAME} among {', '.join(map(str, row))}"
    if column is None:
        return f"no column {' or '.join(TEXTS)} among {', '.join(map(str, row))}"
    texts = [row[column]] if isinstance(row[column], str) else row[column]
    if texts is None:
        return Row(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return f"{column} is neither a text nor a list of texts"
    return Row(name.strip().replace("\\", "/"), [text for text in texts if text.strip()])


def rows_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the rows of a metadata file with their line numbers; a row that is no JSON is None."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                columns = file.readline()
                file.seek(0)
                reader = csv.DictReader(file, delimiter=delimiter_of(columns))
                for row in reader:
                    yield reader.line_num, {key: value for key, value in row.items() if key is not None}
            else:
                yield from ((number, parse_json(line)) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {reason[:120]}", "save it as UTF-8, a row for each picture") from None


def delimiter_of(columns: str) -> str:
    """Return what separates the columns of a first line: a comma, or a semicolon or tab, as spreadsheets may write."""
    names = columns.replace('"', "")
    return next((each for each in ";\t" if f"{NAME}{each}" in names or f"{each}{NAME}" in names), ",")


def parse_json(line: str) -> Any:
    """Parse a line of JSON; None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
