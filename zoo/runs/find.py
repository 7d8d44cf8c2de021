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
from zoo.registry.layers import read_registry
from zoo.runs.listing import list_runs
from zoo.runs.names import ROOT, best_runs, find_folder, is_run, newest_runs
from zoo.runs.run import SCHEMA, Run, read_record

if TYPE_CHECKING:
    from zoo.registry.listing import Paths


def load(run: Run | str | Path) -> Run:
    """Open a run; its `.model()` returns the trained model.

    Args:
        run: A run folder, a name below `runs`, an entry (meaning its newest finished run), or a study (meaning its best
            run). A Run object is returned as it is.

    Returns:
        The run, with its entry and record.

    Raises:
        ZooError: If there is no such run.
        RunError: If the run folder is damaged, or was written by a newer version of the zoo.

    Example:
        >>> import zoo
        >>> zoo.load("no-such-run")
        Traceback (most recent call last):
            ...
        zoo.core.errors.ZooError: ...
    """
    return run if isinstance(run, Run) else find_run(str(run))


def find_run(text: str, root: Path = ROOT) -> Run:
    """Find a run by path, by name, or as an entry's newest finished run.

    The folder of a study means its best run.
    """
    if path := find_folder(text, root):
        if path.name != Path(text).name:
            note_removed(path)
        return Run.open(path)
    if found := newest_runs(text, root):
        return Run.open(next(filter(is_done, found), found[0]))
    if path := best_left(text, root):
        return Run.open(path)
    if os.path.isdir(text):  # noqa: PTH112 - takes any text
        hint = f"the run comes first, and pictures after it, e.g. zoo evaluate RUN --data {text}"
        raise RunError(f"{text} is not a run folder: it has no run.json", hint)
    if os.path.isfile(text):  # noqa: PTH113 - takes any text
        raise ZooError(f"{text} is a file, not a run", f"the run comes first, e.g. zoo predict RUN {text}")
    names = [path.parent.name for path in root.glob("*/run.json")]
    if text in read_registry()[0].entries:
        raise ZooError(f"no run of {text!r} in {root.absolute()}", f"train one with: zoo train {text}")
    if "did you mean" in (hint := did_you_mean(text, names)):
        raise ZooError(f"no run {text[:80]!r}", hint)
    raise ZooError(f"no run {text[:80]!r} in {root.absolute()}", "train one with: zoo train ENTRY")


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
