"""Checkpoints of a training: the two newest are kept, each in a file with a checksum."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError
from zoo.core.files import remove, write_json
from zoo.core.temporary import is_temporary
from zoo.core.tensor_files import Tensors, load_tensors, read_manifest, save_tensors
from zoo.core.trust import refuse_link

CHECKPOINT = re.compile(r"[0-9]{6,9}\.safetensors")
Saved = tuple[dict[str, Tensors], dict[str, Any]]


COUNTS = ("stage", "epoch", "step", "best_epoch")
LARGEST = 2**53
"""Largest number in a checkpoint that is plausible."""


def check_plain(plain: Any, path: Path) -> None:
    """Raise RunError if the plain values of a checkpoint are not those that a training saves."""
    try:
        progress, plateau, times = plain["progress"], plain["plateau"], plain.get("times") or {}
        early = (plain.get("early_stop") or {}).values()
        numbers = [plain["seconds"], plain["rows"], *plateau.values(), *times.values(), *progress.values(), *early]
        integers = [plain["rows"], *(progress[name] for name in COUNTS)]
        fine = (
            set(progress) == {*COUNTS, "best"}
            and {"factor", "bad"} <= set(plateau)
            and isinstance(plain["how"], str)
            and isinstance(plain.get("stopped") or {}, dict)
            and all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
            and all(isinstance(value, int) and -1 <= value < LARGEST for value in integers)
        )
    except (KeyError, TypeError, AttributeError):
        fine = False
    if not fine:
        raise RunError(f"{path} is damaged: its values are not those of a training", "start a new run with --fresh")


class StateFolder:
    """The folder `state/` of a run, whose `manifest.json` lists the checkpoints, newest first."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self.last = time.monotonic()
        self.notes: list[str] = []

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self.last >= self.seconds

    def save(self, groups: dict[str, Tensors], plain: dict[str, Any]) -> None:
        """Save groups of tensors and plain values; a kill at any moment leaves a valid checkpoint."""
        refuse_link(self.path)
        before = self.lines()
        number = 1 + max((int(line["file"].split(".")[0]) for line in before), default=0)
        tensors = {f"{group}/{name}": value for group, inner in groups.items() for name, value in inner.items()}
        line = save_tensors(self.path / f"{number:06d}.safetensors", tensors, plain)
        write_json(self.path / "manifest.json", {"schema": 1, "files": [line, *before[:1]]})
        self.sweep({line["file"], *(old["file"] for old in before[:1])})
        self.last = time.monotonic()

    def load(self) -> Saved | None:
        """Load the newest intact checkpoint; a damaged one is skipped with a note."""
        lines = self.lines()
        for number, line in enumerate(lines, 1):
            try:
                tensors, plain = load_tensors(self.path / line["file"], line)
            except RunError as error:
                last = number == len(lines)
                then = "the training starts over" if last else "trying the previous checkpoint"
                self.notes.append(f"{error}; {then}")
                continue
            groups: dict[str, Tensors] = {}
            for key, value in tensors.items():
                group, _, name = key.partition("/")
                groups.setdefault(group, {})[name] = value
            return groups, plain
        return None

    def lines(self) -> list[dict[str, Any]]:
        """Read the lines of the manifest; none if there is no manifest."""
        if not (self.path / "manifest.json").exists():
            return []
        try:
            return [line for line in read_manifest(self.path / "manifest.json") if CHECKPOINT.fullmatch(line["file"])]
        except RunError as error:
            self.notes.append(f"{error}; the training starts over")
            return []

    def sweep(self, keep: set[str]) -> None:
        """Remove old checkpoints, and incomplete files that a kill left.

        Windows cannot delete a file whose tensors are still mapped into memory; it stays until the next call.
        """
        refuse_link(self.path)
        for file in self.path.iterdir():
            if is_temporary(file.name) or (CHECKPOINT.fullmatch(file.name) and file.name not in keep):
                remove(file)

    def clear(self) -> None:
        """Remove everything, after the training is done."""
        if self.path.is_dir():
            refuse_link(self.path)
            remove(self.path / "manifest.json")
            self.sweep(set())
            with suppress(OSError):
                self.path.rmdir()
