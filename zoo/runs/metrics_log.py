"""The metrics log of a run: JSON lines, and TensorBoard events if tensorboard is installed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, one_line
from zoo.core.figures import Goal, score_of
from zoo.core.files import non_finite_to_none, write_text
from zoo.core.notes import note
from zoo.core.trust import FINITE_JSON, open_regular, read_bytes, refuse_link

Row = dict[str, Any]


class MetricsLog:
    """`metrics.jsonl` of a run folder, one line per epoch."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.rows = list(takewhile(is_epoch, read_rows(self.path)))
        self.tensorboard: Any = None
        self.folder = folder

    def rewind(self, rows: int) -> None:
        """Drop the epochs after a checkpoint; they will be trained again."""
        self.rows = self.rows[:rows]
        write_text(self.path, "".join(json_line(row) for row in self.rows))
        if find_spec("tensorboard") is not None:
            refuse_link(self.folder / "tensorboard")
            try:
                from torch.utils.tensorboard import SummaryWriter

                self.tensorboard = SummaryWriter(str(self.folder / "tensorboard"), purge_step=rows + 1)
            except Exception as error:  # nobody asked for these events, so what is broken costs nothing else
                note(f"no events for TensorBoard: {one_line(str(error))}")

    def add(self, row: Row) -> None:
        """Append the metrics of one epoch."""
        self.rows.append(row)
        with open_regular(self.path, "a") as file:
            file.write(json_line(row))
        if self.tensorboard is not None:
            for part in ("train", "valid"):
                for name, value in non_finite_to_none(row[part]).items():
                    if value is not None:
                        self.tensorboard.add_scalar(f"{row['stage']}/{name}/{part}", value, len(self.rows))
            self.tensorboard.add_scalar(f"{row['stage']}/lr", row["lr"], len(self.rows))

    def close(self) -> None:
        """Close the TensorBoard writer, which flushes its events."""
        if self.tensorboard is not None:
            self.tensorboard.close()


def json_line(row: Row) -> str:
    """Format a row as a JSON line, with null for numbers that are not finite."""
    return json.dumps(non_finite_to_none(row), allow_nan=False) + "\n"


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a log, up to the first incomplete line."""
    return parse_rows(read_log(path).splitlines())


def read_epochs(path: Path) -> list[Row]:
    """Read the epochs of a run without an incomplete last line; RunError if another line is damaged."""
    text = read_log(path)
    lines, torn = text.splitlines(), not text.endswith("\n")  # a kill leaves no line break after part of a line
    rows = parse_rows(lines)
    if not all(map(is_epoch, rows)) or len(lines) > len(rows) + torn:
        raise RunError(f"{path} is damaged: one of its lines is not an epoch")
    return rows


def read_log(path: Path) -> str:
    """Read the text of a log; empty if it cannot be read."""
    try:
        return read_bytes(path).decode(errors="replace")
    except OSError:
        return ""


def parse_rows(lines: Iterable[str]) -> list[Row]:
    """Parse the lines of a log, up to the first that is no JSON."""
    rows: list[Row] = []
    for text in lines:
        try:
            rows.append(FINITE_JSON.decode(text))
        except (ValueError, RecursionError):
            break
    return rows


def kept_row(rows: list[Row], train: Mapping[str, Any]) -> Row:
    """Return the epoch whose weights were kept, by the `train` section of an entry.

    It is the last one, also where there are no validation pictures, or of the last stage the one with the lowest
    validation loss or the best monitored figure.
    """
    last = [row for row in rows if row["stage"] == rows[-1]["stage"]]
    if train.get("keep", "best") == "last":
        return last[-1]
    own = train.get("stages", {}).get(last[-1]["stage"], {})
    figure = own.get("monitor") or train.get("monitor") or "loss"
    goal: Goal = own.get("goal") or train.get("goal") or "auto"
    known = [row for row in last if row["valid"].get(figure) is not None]
    return min(known, key=lambda row: score_of(figure, row["valid"][figure], goal), default=last[-1])


def is_epoch(row: Any) -> bool:
    """Whether a row has what the metrics of an epoch have."""
    if not isinstance(row, dict) or not isinstance(row.get("stage"), str) or type(row.get("epoch")) is not int:
        return False
    parts = (row.get("train", {}), row.get("valid"))
    return all(isinstance(part, dict) and all(map(is_metric_value, part.values())) for part in parts)


def is_metric_value(value: Any) -> bool:
    """Return whether a value can be a metric; None stands for a number that is not finite."""
    return value is None or (isinstance(value, int | float) and -1e300 < value < 1e300)
