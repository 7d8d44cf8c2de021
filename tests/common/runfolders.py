"""Run folders that are copies of another one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from zoo.core.files import digest, write_json


def copy_run(run: Path, name: str, **record: Any) -> Path:
    """A copy of a run with another record."""
    path = run.with_name(name)
    shutil.copytree(run, path)
    about = json.loads((path / "run.json").read_text(encoding="utf-8")) | record
    about.pop("seal")
    write_json(path / "run.json", about | {"seal": digest(about)})
    return path
