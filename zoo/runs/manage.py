"""Remove, rename and prune the folders below `runs`; nothing outside them is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from zoo.core.errors import ResourceError, ZooError, did_you_mean
from zoo.core.files import WINDOWS, check_name, remove
from zoo.core.trust import refuse_link
from zoo.registry.layers import read_registry
from zoo.runs.listing import list_runs
from zoo.runs.lock import lock_folder
from zoo.runs.names import COMPARISON_FILE, ROOT, STUDY_FILE

MARKERS = ("run.json", STUDY_FILE, COMPARISON_FILE)
"""The files by which a run, a study or a comparison is known."""
LOCK_FILES = {"lock", "lock.json"}
USELESS_STATES = ("interrupted", "diverged")
"""States of runs that `zoo runs prune` removes."""


def named_folder(text: str, root: Path = ROOT) -> Path:
    """Find the run, study or comparison of a name, as `cnn-1` or `runs/cnn-1`.

    Raises ZooError for anything else.
    """
    path = root / check_name(bare_name(text, root), "the run")
    refuse_link(path)
    if is_made_by_zoo(path):
        return path
    if path.is_dir():
        raise ZooError(f"{path} is not a run of the zoo, so it is left alone", "see: zoo runs")
    try:
        known = [each.name for each in root.iterdir() if is_made_by_zoo(each)]
    except OSError:
        known = []
    raise ZooError(f"no run {text[:80]!r} in {root.absolute()}", did_you_mean(path.name, known) or "see: zoo runs")


def bare_name(text: str, root: Path) -> str:
    """Return the name of a folder that is directly below `root`.

    Raises ZooError for any other path.
    """
    given = Path(text)
    if len(given.parts) < 2:
        return text
    above = Path(os.path.normpath(given.absolute().parent))
    if ".." in given.parts or above != Path(os.path.normpath(root.absolute())):
        raise ZooError(f"{text[:80]} is not directly below {root.absolute()}, so it is left alone", "see: zoo runs")
    return given.name


def is_made_by_zoo(path: Path) -> bool:
    """Return whether a folder has the files of a run, a study or a comparison."""
    if path.is_symlink():
        return False
    run = (path / "run.json").is_file() and any((path / name).is_file() for name in ("entry.json", "lock.json"))
    return run or any((path / name).is_file() for name in MARKERS[1:])


def remove_runs(names: list[str], root: Path = ROOT, *, dry_run: bool = False) -> list[Path]:
    """Remove runs, studies and comparisons; LockedError if one of them is in use.

    With `dry_run` they are only found.
    """
    paths = list(dict.fromkeys(named_folder(name, root) for name in names))
    for path in paths if not dry_run else ():
        remove_folder(path)
    return paths


def remove_folder(path: Path) -> None:
    """Remove a run.

    The file by which it is known goes last, so that a removal that was killed can be repeated.
    """
    with lock_folder(path, "wait for it, or interrupt it first"):
        try:
            for file in sorted(path.iterdir(), key=lambda file: file.name in MARKERS):
                if file.name not in LOCK_FILES:
                    shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()
        except OSError as error:
            raise ResourceError(f"cannot remove {error.filename or path}: {error.strerror or error}") from None
    # the lock removes the empty folder as it is released


def rename_run(old: str, new: str, root: Path = ROOT) -> Path:
    """Rename a run.

    Raises ZooError if the new name is taken or that of an entry, LockedError if the run is in use.
    """
    path = named_folder(old, root)
    target = root / check_name(bare_name(new, root), "the run")
    if target.name in read_registry()[0].entries:
        text = f"{target.name} is an entry, which stands for its newest run and would always mean this one"
        raise ZooError(text, "choose another name")
    if os.path.lexists(target):
        raise ZooError(f"{target} already exists", "choose another name")
    try:
        with lock_folder(path, "wait for it, or interrupt it first"):
            if not WINDOWS:
                path.rename(target)
        if WINDOWS:  # a folder with an open file cannot be renamed there
            path.rename(target)
    except OSError as error:
        raise ResourceError(f"cannot rename {path}: {error.strerror or error}") from None
    remove(target / "lock.json")
    return target


def useless_runs(root: Path = ROOT) -> list[str]:
    """Return the names of runs that diverged or were interrupted and that nobody is training now."""
    return [info.run.name for info in list_runs(root)[0] if info.state in USELESS_STATES]
