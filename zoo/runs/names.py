"""Run folders by name; imports little, since shell completion uses it."""

from __future__ import annotations

import re
from pathlib import Path

from zoo.core.files import expand_user
from zoo.core.trust import load_json

ROOT = Path("runs")
BEST_FILE = "best.json"
"""File in a study folder that names its best run."""
STUDY_FILE, COMPARISON_FILE = "study.json", "compare.json"
"""Files by which a study and a comparison are known."""


def is_run(path: Path) -> bool:
    """Return whether a path, which may be any string, is a run folder."""
    try:
        return (path / "run.json").is_file()
    except (OSError, ValueError):
        return False


def group_folder(run: Path) -> Path | None:
    """Return the folder of the study or comparison that a run is part of; None if it is part of none."""
    above = run.resolve().parent
    if above.name != "trials":
        return above if (above / COMPARISON_FILE).is_file() else None
    # trainings that confirm trials are in a further folder
    return next((path for path in above.parents[:2] if (path / STUDY_FILE).is_file()), None)


def best_run(path: Path) -> Path:
    """Return the best run of a study folder that was not removed, or the folder itself."""
    return next((run for run in best_runs(path) if is_run(run)), path)


def best_runs(path: Path) -> list[Path]:
    """Return the best runs of a study folder, also those that were removed.

    Empty for another folder.
    """
    try:
        found = load_json(path / BEST_FILE)
        names = [found["run"], *found.get("next", ())]
        return [path / name for name in names if re.fullmatch(r"trials/t[0-9]{5,9}", name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def find_folder(text: str, root: Path = ROOT) -> Path | None:
    """Find a run folder by path or by name; for a study, its best run."""
    return next((best for path in (expand_user(text), root / text) if is_run(best := best_run(path))), None)


def newest_runs(text: str, root: Path = ROOT) -> list[Path]:
    """Return the runs NAME-1, NAME-2, ... of an entry, newest first; if it has none, other runs with such names."""
    found = [path for path in reversed(numbered_folders(root, text).values()) if is_run(path)]
    return [path for path in found if entry_name(path) in (text, "")] or found


def entry_name(path: Path) -> str:
    """Return the name of the entry of a run folder; empty if it cannot be read."""
    try:
        return str(load_json(path / "entry.json")["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def numbered_folders(root: Path, name: str) -> dict[int, Path]:
    """Return the existing folders NAME-1, NAME-2, ... by number, in order."""
    pattern = re.compile(re.escape(name) + r"-([1-9][0-9]{0,8})")
    found = {int(match[1]): path for path in root.glob("*") if (match := pattern.fullmatch(path.name))}
    return dict(sorted(found.items()))
