"""The files of a bundle, a folder or a .zip file: names and sizes are checked before any is read."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, NamedTuple

from zoo.core.errors import ResourceError, RunError, ZooError
from zoo.core.files import DISK_FULL_ERRNOS
from zoo.core.trust import describe_kind, open_without_link
from zoo.runs.calibration import CALIBRATION

MAX_TEXT, MAX_PICTURE, MAX_WEIGHTS = 16_000_000, 16_000_000, 2_000_000_000
"""Largest sizes in bytes of a text file, of a picture, and of the weights of a bundle."""
WEIGHTS, CARD, MANIFEST, EVALUATION = "weights.safetensors", "README.md", "manifest.json", "evaluation.json"
PICTURES = ("samples.png", "confusion.png")
REQUIRED = (WEIGHTS, "entry.json", "run.json", "metrics.jsonl", MANIFEST)
LIMITS = {
    **dict.fromkeys((*REQUIRED, EVALUATION, CALIBRATION, CARD), MAX_TEXT),
    **dict.fromkeys(PICTURES, MAX_PICTURE),
    WEIGHTS: MAX_WEIGHTS,
}
"""The files that a bundle may have, with their largest sizes in bytes."""
MAX_DIRECTORY = 65_536
"""Largest size in bytes of the table of contents of a .zip file."""
MAX_RATIO = 100
"""How many times larger than in the .zip file its weights may be."""
CHUNK = 1 << 20
ZIP_END, ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, LookupError),
)
"""What the standard library raises for a damaged .zip file."""


class Copied(NamedTuple):
    """Size and SHA-256 of a file that was copied."""

    bytes: int
    sha256: str


class BundleFolder:
    """The files of a bundle in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with os.scandir(path) as found:
            self.sizes = {each.name: self.check(each) for each in found}
        check_names(path, self.sizes.items())
        check_required(path, self.sizes)

    def check(self, file: os.DirEntry[str]) -> int:
        """Return the size of a file; RunError unless it is a regular one that a bundle may have."""
        check_names(self.path, [(file.name, 0)])
        about = file.stat(follow_symlinks=False)
        if not stat.S_ISREG(about.st_mode):
            what = describe_kind(about.st_mode)
            raise RunError(f"{self.path} is no bundle: {file.name[:80]!r} in it is {what}", "remove it")
        return about.st_size

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read it."""
        return os.fdopen(open_without_link(str(self.path / name), os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")


class BundleZip:
    """The files of a bundle in a .zip file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        for file in archive.infolist():
            self.check(file)
        self.files = {file.filename: file for file in archive.infolist()}
        self.sizes = {file.filename: file.file_size for file in archive.infolist()}
        check_names(path, [(file.filename, file.file_size) for file in archive.infolist()])
        check_required(path, self.sizes)

    def check(self, file: zipfile.ZipInfo) -> None:
        """Raise RunError for a member that is no plain file."""
        name, kind = file.filename[:80], stat.S_IFMT(file.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise RunError(f"{self.path} is no bundle: {name!r} in it is {describe_kind(kind)}")
        if file.flag_bits & 1:
            raise RunError(f"{self.path} is no bundle: {name!r} in it is encrypted")
        if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RunError(f"{self.path} is no bundle: {name!r} in it is compressed by another method than deflate")
        if file.file_size > max(MAX_TEXT, MAX_RATIO * file.compress_size):
            raise RunError(f"{self.path} is no bundle: {name!r} in it would be {file.file_size:,} bytes when unpacked")

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read it."""
        return self.archive.open(self.files[name])


BundleFiles = BundleFolder | BundleZip


@contextmanager
def open_files(path: Path) -> Iterator[BundleFiles]:
    """Open a bundle; ZooError if there is none, RunError if its names or sizes are not those of a bundle."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            yield BundleFolder(path)
            return
        if not stat.S_ISREG(about.st_mode):
            raise RunError(f"{path} is {describe_kind(about.st_mode)}, not a bundle")
        with path.open("rb") as file:
            check_directory(path, file)
            with zipfile.ZipFile(file) as archive:
                yield BundleZip(path, archive)
    except FileNotFoundError:
        raise ZooError(f"there is no {path}", "name a folder or a .zip file that zoo push wrote") from None
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS:
            raise ResourceError(f"cannot copy {path}: {error.strerror}", "free some space, then repeat it") from None
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
    except ZIP_ERRORS as error:
        raise RunError(f"{path} is damaged: {str(error)[:120] or type(error).__name__}") from None


def check_directory(path: Path, file: IO[bytes]) -> None:
    """Raise RunError unless a file ends as a small .zip file, whose table of contents can be read into memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 42))
    end = file.read()
    if len(end) < 22 or not end[-22:].startswith(ZIP_END) or end[-2:] != b"\0\0":
        raise RunError(
            f"{path} is not a .zip file, or is not whole", "name a folder or a .zip file that zoo push wrote"
        )
    if end.startswith(ZIP64_LOCATOR) or int.from_bytes(end[-10:-6], "little") > MAX_DIRECTORY:
        raise RunError(f"{path} is no bundle: it has far too many files")


def check_names(path: Path, files: Iterable[tuple[str, int]]) -> None:
    """Raise RunError unless the files are those of a bundle, each once and not too large."""
    found: set[str] = set()
    for name, size in files:
        if name not in LIMITS:
            raise RunError(f"{path} is no bundle: it has {name[:80]!r}", f"a bundle has only {', '.join(LIMITS)}")
        if name in found:
            raise RunError(f"{path} is no bundle: it has {name!r} twice")
        if size > LIMITS[name]:
            raise RunError(f"{path} is no bundle: {name} has {size:,} bytes, and may have {LIMITS[name]:,}")
        found.add(name)


def check_required(path: Path, found: Container[str]) -> None:
    """Raise RunError if a file is missing that every bundle has."""
    if missing := [name for name in REQUIRED if name not in found]:
        raise RunError(f"{path} is no bundle: it has no {missing[0]}", "make one with: zoo push RUN DEST")


def copy_files(source: BundleFiles, folder: Path) -> dict[str, Copied]:
    """Copy the files of a bundle into a folder; RunError if one has another size than it should have."""
    copied = {}
    for name, size in source.sizes.items():
        with source.open(name) as file, (folder / name).open("xb") as out:
            copied[name] = copy_bounded(file, out, size)
        if copied[name].bytes != size:
            raise RunError(f"{source.path} is damaged: {name} has another size than it says")
    return copied


def copy_bounded(file: IO[bytes], out: IO[bytes], size: int) -> Copied:
    """Copy at most one byte more than `size`, with the SHA-256."""
    total, hashed = 0, sha256()
    while chunk := file.read(min(CHUNK, size + 1 - total)):
        out.write(chunk)
        hashed.update(chunk)
        total += len(chunk)
    return Copied(total, hashed.hexdigest())
