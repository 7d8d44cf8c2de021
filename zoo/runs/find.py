"""Find a run by name or path, and choose the folder of a new one."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.core.errors import RunError, ZooError, did_you_mean
from zoo.registry.catalog import Catalog, catalog
from zoo.registry.layers import read_registry
from zoo.runs.names import ROOT, named, newest_first
from zoo.runs.run import Run, read_json


def load(run: Run | str | Path) -> Run:
    """Open a run, of which `.model()` gives the trained model.

    Args:
        run: A run folder, a name below `runs`, an entry, which stands for its newest finished run, or a study, which
            stands for its best run. A run that is open already is returned as it is.

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
    return run if isinstance(run, Run) else find_run(str(run), catalog())


def find_run(text: str, catalog: Catalog, root: Path = ROOT) -> Run:
    """The run at a path or of that name below `runs`, or the newest finished run of an entry of that name.

    The folder of a study stands for its best run.
    """
    if path := named(text, root):
        return Run.open(path, catalog)
    if found := newest_first(text, root):
        done = (path for path in found if read_json(path / "run.json").get("state") == "done")
        return Run.open(next(done, found[0]), catalog)
    if os.path.isdir(text):  # noqa: PTH112 - takes any text
        raise RunError(f"{text} is not a run folder: it has no run.json")
    names = [path.parent.name for path in root.glob("*/run.json")]
    if text in read_registry(catalog)[0].entries:
        raise ZooError(f"no run of {text!r} in {root.absolute()}", f"train one with: zoo train {text}")
    if "did you mean" in (hint := did_you_mean(text, names)):
        raise ZooError(f"no run {text[:80]!r}", hint)
    raise ZooError(f"no run {text[:80]!r} in {root.absolute()}", "train one with: zoo train ENTRY")
