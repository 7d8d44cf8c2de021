"""Folders that are written completely or not at all: filled under a temporary name, then moved in one step."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.core.errors import ResourceError, ZooError
from zoo.core.files import DISK_FULL_ERRNOS
from zoo.core.temporary import is_abandoned, is_temporary, temporary_name
from zoo.core.trust import refuse_link

TAKEN_ERRNOS = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
"""How systems say that a file, or a folder with something in it, has a name already."""


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Create an empty folder beside `target`, which is deleted at the end unless it was moved.

    ResourceError if the disk is full or the folder above cannot be written to; ZooError if `target` has no name.
    """
    refuse_nameless(target)
    folder = temporary_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.parent)
        folder.mkdir()
        yield folder
    except OSError as error:
        hint = "free some space or choose another folder, then repeat" if error.errno in DISK_FULL_ERRNOS else ""
        raise ResourceError(f"cannot write {target}: {error.strerror or error}", hint) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_nameless(target: Path) -> None:
    """Raise ZooError for a path such as `.` or `..`, beside which nothing can be written."""
    if target.name in ("", ".."):
        raise ZooError(f"{target} cannot be written as a whole", "name a folder, not the current one")


def remove_abandoned(parent: Path) -> None:
    """Delete the temporary folders of processes that were killed."""
    with suppress(OSError), os.scandir(parent) as found:
        for each in found:
            if is_temporary(each.name) and each.is_dir(follow_symlinks=False) and is_abandoned(Path(each.path)):
                shutil.rmtree(each.path, ignore_errors=True)


def move_folder(folder: Path, target: Path) -> None:
    """Move a folder to `target`; what is there, a folder too, is replaced."""
    refuse_link(target)
    if not target.exists():
        folder.replace(target)
        return
    old = temporary_name(target)
    target.replace(old)
    try:
        folder.replace(target)
    except OSError:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def place_new_folder(folder: Path, target: Path) -> None:
    """Move a folder to `target`; ZooError if anything but an empty folder is there, also since a moment ago."""
    refuse_link(target)
    try:
        with suppress(FileNotFoundError):
            target.rmdir()  # fails if there is something in it; Windows renames to no existing folder
        folder.rename(target)
    except OSError as error:
        if error.errno in TAKEN_ERRNOS:
            raise ZooError(f"{target} already exists", "choose another folder with --out") from None
        raise
