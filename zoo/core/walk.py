"""Walks over folders of pictures, which count what they leave out and fail where they may not look."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from zoo.core.errors import DataError

SUFFIXES = (
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .webp .gif .bmp .dib .tif .tiff .avif .avifs .ppm .pgm .pbm .pnm .pfm "
    ".jp2 .j2k .j2c .jpc .jpf .jpx"
)
PICTURE_SUFFIXES = frozenset(SUFFIXES.split())
"""Suffixes of the formats that are read."""
SYSTEM_NAMES = frozenset(
    {
        "$recycle.bin",
        ".ds_store",
        ".fseventsd",
        ".spotlight-v100",
        ".trashes",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)
"""Names, in lower case, of files and folders that systems put among a user's own."""
MAX_SUFFIX = 12
MAX_KINDS = 8
"""Kinds of files that `format_left_out` names."""


def picture_files(folder: Path, left_out: Counter[str] | None = None, *, follow_links: int = 0) -> Iterator[Path]:
    """Yield the picture files at any depth below a folder.

    Args:
        folder: The folder to search; hidden files and folders, and those of the system, are left out.
        left_out: Counts what else there is, by kind, such as "`.txt` files".
        follow_links: Depth to which links to folders are followed; 0 for none of those in the folder.

    Yields:
        Paths with the suffix of a picture format, each folder's in alphabetical order, before those of its subfolders.

    Raises:
        DataError: If a folder cannot be read.

    Example:
        >>> from collections import Counter
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.core import picture_files
        >>> left_out = Counter()
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in picture_files(Path(folder), left_out)], dict(left_out)
        (['a.jpg', 'b.png'], {'.txt files': 1})
    """
    return data_files(folder, PICTURE_SUFFIXES, left_out, follow_links=follow_links)


def data_files(
    folder: Path, suffixes: Collection[str], left_out: Counter[str] | None = None, *, follow_links: int = 0
) -> Iterator[Path]:
    """Yield the files with one of some suffixes at any depth below a folder.

    Args:
        folder: The folder to search; hidden files and folders, and those of the system, are left out.
        suffixes: The suffixes in lower case, such as ".parquet".
        left_out: Counts what else there is, by kind.
        follow_links: Depth to which links to folders are followed; 0 for none of those in the folder.

    Yields:
        Paths, each folder's in alphabetical order, before those of its subfolders.

    Raises:
        DataError: If a folder cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.core import data_files
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.csv", "A.CSV", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in data_files(Path(folder), {".csv"})]
        ['A.CSV', 'b.csv']
    """
    counts: Counter[str] = Counter() if left_out is None else left_out
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        inner = []
        for entry in entries(here):
            directory = is_directory(entry)
            if kind := left_out_kind(entry.name, suffixes, is_folder=directory):
                counts[kind] += 1
            elif not directory:
                yield Path(here, entry.name)
            elif entry.is_symlink() and depth >= follow_links:
                counts["links to folders"] += 1
            else:
                inner.append((Path(here, entry.name), depth + 1))
        waiting += reversed(inner)


def subfolders(folder: Path) -> list[Path]:
    """List the subfolders by name, without hidden ones and those of the system.

    Args:
        folder: The folder that contains them.

    Returns:
        Their paths; links to folders are included.

    Raises:
        DataError: If the folder cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.core import subfolders
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("dogs", "cats", "__MACOSX"):
        ...         Path(folder, name).mkdir()
        ...     [path.name for path in subfolders(Path(folder))]
        ['cats', 'dogs']
    """
    return [
        Path(folder, entry.name)
        for entry in entries(folder)
        if is_directory(entry) and not left_out_kind(entry.name, is_folder=True)
    ]


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """List what a folder contains, by name; raise DataError if it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        hint = "allow it, or move the folder elsewhere" if isinstance(error, PermissionError) else ""
        raise DataError(f"cannot read the folder {folder}: {error.strerror or error}", hint) from error


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder or a link to one.

    Returns False where one may not look.
    """
    return os.path.isdir(path)  # noqa: PTH112 - unlike Path.is_dir, this does not raise


def is_directory(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere; whoever opens it will say so
        return False


def left_out_kind(name: str, suffixes: Collection[str] = (), *, is_folder: bool) -> str:
    """Describe the kind of a file or folder that is left out; empty if it is kept."""
    what = "folders" if is_folder else "files"
    if name.lower() in SYSTEM_NAMES or name.startswith("._"):
        return f"{what} of the system"
    if name.startswith("."):
        return f"hidden {what}"
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - much faster, and there are many
    if is_folder or suffix in suffixes:
        return ""
    return f"{suffix[:MAX_SUFFIX]} files" if suffix else "files without a suffix"


def format_left_out(left_out: Counter[str]) -> str:
    """Describe in one line what a walk left out, most frequent first.

    Args:
        left_out: Counts by kind, as `picture_files` makes them.

    Returns:
        Text such as "left out: .txt files (3), hidden folders (1)"; empty if nothing was left out.

    Example:
        >>> from collections import Counter
        >>> from zoo.core import format_left_out
        >>> format_left_out(Counter({".heic files": 12}))
        'left out: .heic files (12)'
    """
    kinds = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{kind} ({count})" for kind, count in kinds[:MAX_KINDS]]
    more = sum(count for _, count in kinds[MAX_KINDS:])
    return f"left out: {', '.join([*parts, *([f'others ({more})'] if more else [])])}" if parts else ""
