"""Choose the folder of a new run, study or comparison, or the one to resume."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from zoo.core.errors import ResourceError, RunError, ZooError
from zoo.core.files import check_name, remove
from zoo.core.notes import Tell, note
from zoo.core.temporary import is_temporary
from zoo.core.trust import refuse_link
from zoo.registry.entry import Entry
from zoo.runs.lock import is_locked, lock_folder
from zoo.runs.names import ROOT, is_run, numbered_folders
from zoo.runs.run import UNFINISHED, Run

MAX_CHANGES = 4
"""Largest number of differing options in a message."""

REMNANT_AGE = 60.0
"""Age in seconds of a folder that never began before it is removed; whoever made it may not have locked it yet."""
RUN_FILES = {
    *("run.json", "entry.json", "metrics.jsonl", "weights.safetensors", "manifest.json"),
    *("calibration.json", "curves.png", "report.html", "notes.txt", "hung.txt", "error.txt"),
}
RUN_FOLDERS = {"state", "tensorboard", "evaluation", "explanations"}
"""What the zoo writes into the folder of a run."""


def choose_folder(entry: Entry, out: Path | None, fresh: bool, tell: Tell = note) -> tuple[Path, Run | None]:
    """Choose the folder to train in, and the run to resume, if any.

    Without `out`, an unfinished run of the same entry is resumed, or a folder NAME-<next number> is created; `tell` is
    then called with an unfinished run that has other options. With `out` that folder is used, if it is empty or
    contains a run of exactly this entry.
    """
    if out is not None:
        return out, use_folder(entry, out, fresh)
    check_name(entry.name, "the entry")
    remove_remnants(numbered_folders(ROOT, entry.name).values())
    before, others = numbered_folders(ROOT, entry.name), list[tuple[Run, list[str]]]()
    for path in reversed(before.values() if not fresh else ()):
        try:
            run = Run.open(path)
        except ZooError:
            continue  # an old, damaged run should not prevent training
        if run.state in UNFINISHED:
            changes = run.differences_from(entry)
            if not changes:
                return path, run
            others.append((run, changes))
    if others:
        tell_unfinished(*min(others, key=lambda other: len(other[1])), tell)
    return make_folder(entry.name, max(before, default=0) + 1), None


def choose_resumable(
    what: str, base: str, file: str, changes: Callable[[Path], list[str]], named: bool, fresh: bool, root: Path = ROOT
) -> Path:
    """Choose the study or the comparison to resume, or a folder for a new one.

    Args:
        what: "study" or "comparison".
        base: Name of the folder; those after it are NAME-2, NAME-3, ...
        file: The file that such a folder has.
        changes: Lists how what is requested differs from what is in a folder.
        named: Whether the user gave the name, which then means this folder alone.
        fresh: Whether to choose a new folder in any case.
        root: The folder above.

    Returns:
        The newest folder without changes, or a new one.

    Raises:
        ZooError: If every folder has changes; the message lists those of the newest.
    """
    first, numbered = root / check_name(base, f"the {what}"), numbered_folders(root, base)
    candidates = [first] if named else [first, *numbered.values()]
    found = [path for path in candidates if (path / file).is_file()]
    if found and not fresh:
        differing = {path: changes(path) for path in found}
        same = [path for path, lines in differing.items() if not lines]
        if not same:
            refuse_changes(what, found[-1], differing[found[-1]])
        return same[-1]
    if is_free(first):
        return first
    if named and not fresh:
        raise ZooError(f"{first} exists but is not a {what}", "choose another --name")
    return root / check_name(f"{base}-{max(numbered, default=1) + 1}", f"the {what}")


def refuse_changes(what: str, path: Path, changes: list[str]) -> None:
    """Raise ZooError, listing the changes, if a study or comparison was started with other options."""
    if changes:
        hint = f"use those options, start a new {what} with --fresh, or choose a name with --name"
        raise ZooError(f"{path} was started with other options: {summarise(changes)}", hint)


def summarise(changes: list[str]) -> str:
    """Join the first changes, and the number of the others."""
    more = f" and {len(changes) - MAX_CHANGES} more" if len(changes) > MAX_CHANGES else ""
    return "; ".join(changes[:MAX_CHANGES]) + more


def is_free(path: Path) -> bool:
    """Return whether a folder is missing, empty, or has only what is left of something that never started."""
    return not path.exists() or (path.is_dir() and all(is_remnant(file.name) for file in path.iterdir()))


def tell_unfinished(run: Run, changes: list[str], tell: Tell) -> None:
    """Tell which unfinished run has other options, unless another process is training it now."""
    if is_locked(run.path):
        return
    told = f"{run.path} is unfinished and has other options ({summarise(changes)})"
    tell(f"{told}, so a new run begins; to resume that one: {run.record.get('command', 'zoo train')}")


def use_folder(entry: Entry, out: Path, fresh: bool) -> Run | None:
    """Open the run in a folder that the user chose; None if it is empty."""
    check_name(out.resolve().name, "the run folder")
    if not is_run(out):
        if not is_free(out):
            raise ZooError(f"{out} exists but is not a run folder", "choose another --out")
        return None
    if fresh:
        raise ZooError(f"{out} already contains a run", "choose another --out for a new run")
    run = Run.open(out)
    if changes := run.differences_from(entry):
        raise ZooError(f"{out} contains a different run: {summarise(changes)}", "choose another --out")
    return run


def remove_remnants(paths: Iterable[Path]) -> None:
    """Remove the folders of runs that were killed before they began."""
    for path in paths:
        with suppress(OSError, ZooError):
            young = time.time() - path.lstat().st_mtime < REMNANT_AGE
            if young or path.is_symlink() or is_run(path) or not is_free(path):
                continue
            with lock_folder(path):  # which removes the folder, once it is empty
                for file in path.iterdir() if is_free(path) else ():
                    if file.name != "lock":
                        remove(file)


def is_remnant(name: str) -> bool:
    """Return whether a file may be left over from a run that never started."""
    return name in {"lock", "lock.json", "entry.json"} or is_temporary(name)


def make_folder(name: str, number: int) -> Path:
    """Create the folder NAME-<number>, or with the next number if another process did."""
    path = ROOT / f"{name}-{number}"
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return make_folder(name, number + 1)
    except OSError as error:
        raise ResourceError(
            f"cannot create the folder {path}: {error.strerror}", "choose another folder with --out"
        ) from None
    return path


def open_or_clear(path: Path) -> Run | None:
    """Open the run in a locked folder.

    The files of a damaged run are deleted, and no others.
    """
    if not is_run(path):
        return None
    try:
        return Run.open(path)
    except RunError:
        refuse_link(path)
        for file in path.iterdir():
            if file.name in RUN_FILES or is_temporary(file.name):
                remove(file)
            elif file.name in RUN_FOLDERS and not file.is_symlink():
                shutil.rmtree(file, ignore_errors=True)
        return None
