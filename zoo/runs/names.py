"""Folders of runs by name; light enough for a shell that completes."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path("runs")
BEST_FILE = "best.json"
"""Names the best run below a folder, as `zoo tune` does in that of a study."""


def is_run(path: Path) -> bool:
    """Whether there is a run folder at a path, which may be any text."""
    try:
        return (path / "run.json").is_file()
    except (OSError, ValueError):
        return False


def best_run(path: Path) -> Path:
    """The run that a folder names as its best, or the folder itself."""
    try:
        name = json.loads((path / BEST_FILE).read_text(encoding="utf-8"))["run"]
        return path / name if re.fullmatch(r"trials/t[0-9]{5,9}", name) else path
    except (OSError, ValueError, KeyError, TypeError):
        return path


def find_folder(text: str, root: Path = ROOT) -> Path | None:
    """The run at a path or of that name below a folder, that of a study being its best; None where there is none."""
    return next((best for path in (Path(text), root / text) if is_run(best := best_run(path))), None)


def newest_runs(text: str, root: Path = ROOT) -> list[Path]:
    """The runs NAME-1, NAME-2, ... of an entry."""
    return [path for path in reversed(numbered_folders(root, text).values()) if is_run(path)]


def numbered_folders(root: Path, name: str) -> dict[int, Path]:
    """The folders NAME-1, NAME-2, ... that are there, in order."""
    pattern = re.compile(re.escape(name) + r"-([1-9][0-9]{0,8})")
    found = {int(match[1]): path for path in root.glob("*") if (match := pattern.fullmatch(path.name))}
    return dict(sorted(found.items()))
