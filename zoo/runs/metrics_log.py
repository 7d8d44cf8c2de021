"""The log of a run: metrics as JSON lines, and TensorBoard events where tensorboard is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.core.files import non_finite_to_none, write_text

Row = dict[str, Any]


class MetricsLog:
    """`metrics.jsonl` of a run folder, one line an epoch."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.rows = read_rows(self.path)
        self.tensorboard: Any = None
        self.folder = folder

    def rewind(self, rows: int) -> None:
        """Forget what came after a saved state; it will come again."""
        self.rows = self.rows[:rows]
        write_text(self.path, "".join(json_line(row) for row in self.rows))
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.tensorboard = SummaryWriter(str(self.folder / "tensorboard"), purge_step=rows + 1)

    def add(self, row: Row) -> None:
        """Append one epoch."""
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json_line(row))
        if self.tensorboard is not None:
            for part in ("train", "valid"):
                for name, value in non_finite_to_none(row[part]).items():
                    if value is not None:
                        self.tensorboard.add_scalar(f"{row['stage']}/{name}/{part}", value, len(self.rows))
            self.tensorboard.add_scalar(f"{row['stage']}/lr", row["lr"], len(self.rows))

    def close(self) -> None:
        """Flush the events."""
        if self.tensorboard is not None:
            self.tensorboard.close()


def json_line(row: Row) -> str:
    """A row as a line, with null for a number that is not finite."""
    return json.dumps(non_finite_to_none(row), allow_nan=False) + "\n"


def read_rows(path: Path) -> list[Row]:
    """The whole lines of a log; a torn last line is left out."""
    rows: list[Row] = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                rows.append(json.loads(text))
            except ValueError:
                break
    return rows
