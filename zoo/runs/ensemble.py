"""Several runs as one, RUN+RUN: classifiers whose class probabilities are averaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from zoo.core.errors import ZooError
from zoo.core.files import digest
from zoo.registry.catalog import catalog
from zoo.runs.find import load
from zoo.runs.names import ROOT, best_runs, find_folder, newest_runs
from zoo.runs.run import Run
from zoo.runs.shipped import PicturePaths

Runs: TypeAlias = "Run | str | Path | Sequence[Run | str | Path]"
"""One run, or several: in a text they are joined by `+`."""
MAX_FOLDER_NAME = 100
"""Longest joined name of runs that names a folder as it is."""


def load_runs(runs: Runs, data: str | Path | None = None, pictures: PicturePaths = ()) -> list[Run]:
    """Open one run, or the runs of an ensemble, each as `load` does.

    Raises ZooError if there is no such run, one is named twice, or they have different classes.
    """
    if isinstance(runs, Run):
        return [runs]
    names = split_names(str(runs)) if isinstance(runs, str | Path) else list(runs)
    if not names:
        raise ZooError("no run is given", "name at least one")
    found = [load(name, data, pictures) for name in names]
    for place, run in enumerate(found):
        if any(run.path == other.path for other in found[:place]):
            raise ZooError(f"{run.label} is named twice", "name each run of an ensemble once")
        if run.info.classes != found[0].info.classes:
            ours, theirs = (", ".join(each.info.classes) for each in (run, found[0]))
            text = f"{run.label} has the classes {ours:.100}; {found[0].label} has {theirs:.100}"
            raise ZooError(text, "the runs of an ensemble need the same classes")
    return found


def split_names(text: str) -> list[str]:
    """Split a text into the names of runs at each `+` that is not part of the path of a run that exists."""
    parts, names = text.split("+"), list[str]()
    while parts:
        lengths = (count for count in range(len(parts), 1, -1) if is_known("+".join(parts[:count])))
        count = next(lengths, 1)
        names.append("+".join(parts[:count]))
        parts = parts[count:]
    if len(names) > 1 and not all(names):
        raise ZooError(f"{text[:80]!r} has an empty name", "write RUN+RUN, without spaces")
    return names if len(names) == 1 else refuse_mistyped_path(text, names)


def refuse_mistyped_path(text: str, names: list[str]) -> list[str]:
    """Return the names; ZooError with the whole text if it is a path with a `+` and one of its parts is unknown."""
    missing = [name for name in names if not is_loadable(name)]
    if not missing or not {"/", os.sep}.intersection(text):
        return names
    if os.path.exists(text):  # noqa: PTH110 - takes any text
        return [text]  # `load` says why it is no run
    raise ZooError(f"no run {text[:200]!r}", f"a + joins runs, and there is no run {missing[0][:80]!r}")


def is_known(name: str) -> bool:
    """Return whether a name means a run folder, a study, or runs of an entry."""
    return find_folder(name) is not None or bool(newest_runs(name))


def is_loadable(name: str) -> bool:
    """Return whether a name is known, or means weights that a package ships or a study whose best runs were removed."""
    shipped = catalog().weights(name.partition("@")[0])
    return is_known(name) or bool(shipped or best_runs(Path(name)) or best_runs(ROOT / name))


def ensemble_label(runs: Sequence[Run]) -> str:
    """Return what results call one run, or several."""
    return "+".join(run.label for run in runs)


def ensemble_title(runs: Sequence[Run]) -> str:
    """Return what a picture calls one run, by its name, or several, by their paths below `runs`."""
    paths = [Path(run.label) for run in runs]
    if len(paths) == 1:
        return paths[0].name
    return "+".join((path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix() for path in paths)


def ensemble_results(runs: Sequence[Run]) -> Path:
    """Return the folder for what is made with one run, or one below `runs` for several.

    Runs from elsewhere than `runs` itself, e.g. the trials of studies, may share their names, so that a checksum of
    their paths is added; likewise if a name has a `+` or all are too long together.
    """
    if len(runs) == 1:
        return runs[0].results
    paths = [run.label if run.shipped else run.path.resolve().as_posix() for run in runs]
    name = "+".join(Path(run.label).name for run in runs)
    if len(name) <= MAX_FOLDER_NAME and not any(map(is_ambiguous, runs)):
        return ROOT / name
    return ROOT / f"{name[:MAX_FOLDER_NAME]}-{digest(paths)[:8]}"


def is_ambiguous(run: Run) -> bool:
    """Return whether the name of a run may be that of another one, or has a `+`."""
    elsewhere = run.shipped is None and run.path.resolve().parent != ROOT.resolve()
    return elsewhere or "+" in Path(run.label).name
