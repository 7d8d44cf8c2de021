"""What the files of run folders say, without loading a model or a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, ZooError, describe_error
from zoo.core.files import folder_size
from zoo.display.format import format_value
from zoo.runs.lock import is_locked
from zoo.runs.metrics_log import kept_row, read_epochs
from zoo.runs.names import ROOT, is_run
from zoo.runs.run import UNFINISHED, read_files

MAIN_METRICS = ("accuracy", "loss")
RUN_HEADS = ("run", "entry", "data", "state", "validation", "parameters", "started")
RUN_RIGHT = (5,)
DAMAGED = "damaged"


@dataclass(frozen=True)
class RunInfo:
    """A run as `zoo runs` shows it."""

    run: Path
    entry: str = ""
    data: str = ""
    state: str = DAMAGED
    """running, interrupted (also if its process died), diverged, done or damaged."""
    metric: str = ""
    """Name of its main metric; empty without a complete epoch."""
    value: float | None = None
    """Its value over the validation pictures, with the weights that were kept."""
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    parameters: int | None = None
    seconds: float = 0.0
    started: str = ""
    bytes: int = 0

    @property
    def row(self) -> list[str]:
        """The run as a row of a table with the columns RUN_HEADS."""
        result = "-" if self.value is None else f"{self.metric} {format_value(self.value)}"
        size = "-" if self.parameters is None else f"{self.parameters:,}"
        return [
            self.run.name,
            self.entry or "-",
            self.data or "-",
            self.state,
            result,
            size,
            self.started[:16].replace("T", " ") or "-",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self) | {"run": str(self.run)}


def list_runs(root: Path = ROOT) -> tuple[list[RunInfo], list[str]]:
    """List the runs below a folder by name, with a message for each one that is damaged."""
    found, problems = [], []
    for path in run_folders(root):
        try:
            found.append(read_info(path))
        except Exception as error:  # whatever is wrong with one run, the others are listed
            found.append(RunInfo(path))
            problems.append(str(error) if isinstance(error, ZooError) else f"{path}: {describe_error(error)}")
    return found, problems


def run_folders(root: Path) -> Iterator[Path]:
    """Yield the run folders below a folder, sorted by name."""
    with suppress(OSError):
        yield from sorted(path for path in root.iterdir() if is_run(path))


def read_info(path: Path) -> RunInfo:
    """Read what the files of a run say; RunError if they are damaged."""
    record, entry = read_files(path)
    try:
        state = str(record["state"])
        if state in UNFINISHED:
            state = "running" if is_locked(path) else "interrupted"
        rows = read_epochs(path / "metrics.jsonl")
        metrics = {}
        if rows:
            metrics = dict(kept_row(rows, entry["train"])["valid"])
        metric = next((name for name in MAIN_METRICS if isinstance(metrics.get(name), int | float)), "")
        return RunInfo(
            run=path,
            entry=str(entry["name"]),
            data=str(entry["data"]["kind"]),
            state=state,
            metric=metric,
            value=metrics.get(metric),
            metrics=metrics,
            epochs=sum({row["stage"]: int(row["epoch"]) for row in rows}.values()),
            parameters=record.get("parameters"),
            seconds=float(record.get("seconds", 0.0)),
            started=str(record.get("started", "")),
            bytes=folder_size(path),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path} is damaged: {describe_error(error)}") from None
