"""Find a run by name or path, and the command that resumes one."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core.errors import RunError, ZooError, did_you_mean
from zoo.core.notes import note
from zoo.registry.catalog import catalog
from zoo.registry.layers import read_registry
from zoo.runs.listing import list_runs
from zoo.runs.names import ROOT, best_runs, find_folder, is_run, newest_runs
from zoo.runs.run import SCHEMA, Run, read_record
from zoo.runs.shipped import PicturePaths, describe_choice, find_shipped, open_shipped

if TYPE_CHECKING:
    from zoo.registry.listing import Paths


def load(run: Run | str | Path, data: str | Path | None = None, pictures: PicturePaths = ()) -> Run:
    """Open a run, or weights that a package ships; its `.model()` returns the trained model.

    Args:
        run: A run folder, a name below `runs`, an entry (meaning its newest finished run, or else weights of it that a
            package ships), ENTRY@DATA (meaning the weights that were trained on this data), or a study (meaning its
            best run). A Run object is returned as it is.
        data: Data that the run will be used on; among the weights of an entry, those with the same classes are taken.
        pictures: Pictures that the run will be used on, likewise: coloured or grey ones.

    Returns:
        The run, with its entry and record.

    Raises:
        ZooError: If there is no such run.
        MissingError: If the file of the weights is missing or cannot be downloaded.
        RunError: If the run folder is damaged, or was written by a newer version of the zoo.

    Example:
        >>> import zoo
        >>> zoo.load("no-such-run")
        Traceback (most recent call last):
            ...
        zoo.core.errors.ZooError: ...
    """
    return run if isinstance(run, Run) else find_run(str(run), data=data, pictures=pictures)


def find_run(text: str, root: Path = ROOT, *, data: str | Path | None = None, pictures: PicturePaths = ()) -> Run:
    """Find a run by path, by name, as an entry's newest finished run, or as weights that a package ships.

    The folder of a study means its best run. A note says what an entry stands for.
    """
    if path := find_folder(text, root):
        if path.name != Path(text).name:
            note_removed(path)
        return Run.open(path)
    found = newest_runs(text, root)
    if done := next(filter(is_done, found), None):
        return announce(Run.open(done))
    if path := best_left(text, root):
        return Run.open(path)
    if shipped := find_shipped(text, data, pictures):
        unfinished = [f"{found[0]} has not finished, so it is not taken"] if found else []
        for line in [*describe_choice(shipped), *unfinished]:
            note(line, usual=True)
        return open_shipped(shipped)
    if found:
        return announce(Run.open(found[0]))
    if os.path.isdir(text):  # noqa: PTH112 - takes any text
        hint = f"the run comes first, and pictures after it, e.g. zoo evaluate RUN --data {text}"
        raise RunError(f"{text} is not a run folder: it has no run.json", hint)
    if os.path.isfile(text):  # noqa: PTH113 - takes any text
        raise ZooError(f"{text} is a file, not a run", f"the run comes first, e.g. zoo predict RUN {text}")
    raise missing_run(text, root)


def missing_run(text: str, root: Path) -> ZooError:
    """Make the error for a name that no run, entry or weights have."""
    if len(parts := text.split("+")) > 1 and all(find_folder(part, root) or newest_runs(part, root) for part in parts):
        return ZooError(
            f"{text[:80]!r} names several runs, and this takes one", "`zoo evaluate` and `zoo predict` take several"
        )
    names = [path.parent.name for path in root.glob("*/run.json")]
    names += [name for each, _ in catalog().weights() for name in (each.entry, each.name)]
    entry, at, _ = text.partition("@")
    if entry in read_registry()[0].entries:
        what = f"weights {text[:80]!r} are shipped, and there is no run of that name" if at else f"run of {text!r}"
        return ZooError(f"no {what} in {root.absolute()}", f"train one with: zoo train {entry}")
    if "did you mean" in (hint := did_you_mean(text, names)):
        return ZooError(f"no run {text[:80]!r}", hint)
    return ZooError(f"no run {text[:80]!r} in {root.absolute()}", "train one with: zoo train ENTRY")


def announce(run: Run) -> Run:
    """Say which run an entry stands for, and return it."""
    note(describe_run(run), usual=True)
    return run


def describe_run(run: Run) -> str:
    """Say which run it is, what it was trained on, and where it was fetched from, if it was."""
    origin = run.record.get("origin")
    return f"{run.path}, trained on {run.entry.data.name}{f', fetched from {origin}' if origin else ''}"


def note_removed(path: Path) -> None:
    """Tell if a run was found as the best of its study only because better ones were removed."""
    if path.parent.name == "trials" and path in (ranked := best_runs(path.parent.parent)) and not is_run(ranked[0]):
        best = ranked[0].name
        note(f"the best trial of {path.parent.parent}, {best}, was removed; this is the next best, {path.name}")


def best_left(text: str, root: Path) -> Path | None:
    """Find the finished trial with the lowest validation loss in a study whose best trials were removed."""
    study = next((path for path in (Path(text), root / text) if best_runs(path)), None)
    infos = [] if study is None else list_runs(study / "trials")[0]
    done = [(info.metrics["loss"], info.run) for info in infos if info.state == "done" and "loss" in info.metrics]
    if not done:
        return None
    _, run = min(done)
    note(f"the best trials of {study} were removed; {run.name} has the lowest validation loss of the others")
    return run


def is_done(path: Path) -> bool:
    """Whether a run has finished; a damaged one, which is noted, has not."""
    try:
        return bool(read_record(path / "run.json", SCHEMA).get("state") == "done")
    except RunError as error:
        note(f"skipped {path}: {error}")
        return False


def resume_command(what: str, name: str, overrides: Iterable[str], options: dict[str, Any], registries: Paths) -> str:
    """Return the shell command or the Python call that resumes what was interrupted."""
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    module = Path(sys.argv[0]).parts[-2:] == ("zoo", "__main__.py")
    if module or program == "zoo":
        start = "python -m zoo" if module else program
        return f"{start} {shlex.join(word for word in sys.argv[1:] if word != '--fresh')}"
    given = {key: value for key, value in options.items() if value not in (None, "auto")}
    given |= {"registries": list(registries)} if registries else {}
    words = [repr(word) for word in (name, *overrides)] + [f"{key}={value!r}" for key, value in given.items()]
    return f"zoo.{what}({', '.join(words)})"
