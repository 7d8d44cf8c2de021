"""Several runs as one, RUN+RUN: classifiers whose class probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from zoo.core.errors import ZooError
from zoo.runs.find import load
from zoo.runs.names import ROOT, find_folder, newest_runs
from zoo.runs.run import Run
from zoo.runs.shipped import PicturePaths

Runs: TypeAlias = "Run | str | Path | Sequence[Run | str | Path]"
"""One run, or several: in a text they are joined by `+`."""


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
    return names


def is_known(name: str) -> bool:
    """Return whether a name means a run folder, a study, or runs of an entry."""
    return find_folder(name) is not None or bool(newest_runs(name))


def ensemble_label(runs: Sequence[Run]) -> str:
    """Return what results call one run, or several."""
    return "+".join(run.label for run in runs)


def ensemble_results(runs: Sequence[Run]) -> Path:
    """Return the folder for what is made with one run, or one below `runs` for several."""
    return runs[0].results if len(runs) == 1 else ROOT / "+".join(Path(run.label).name for run in runs)
