"""What all trackers share: events become runs with options, figures and an end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from zoo.core import MissingError
from zoo.registry import (
    EpochEnded,
    EvaluationEnded,
    Event,
    EventCallback,
    TrainingEnded,
    TrainingFailed,
    TrainingStarted,
    TrialEnded,
    TrialReported,
    TrialStarted,
)

Figures = Mapping[str, float | None]


class RunInfo(NamedTuple):
    """A run as trackers know it."""

    id: str
    """Identifies it in later calls too."""
    name: str
    entry: str
    group: str
    """The study or comparison that it belongs to; empty if it belongs to none."""
    config: dict[str, Any]
    """Its options by dotted name; empty where it is known already."""


class Tracker(EventCallback):
    """Base class of trackers, which override `open`, `log` and `finish`; a handle stands for an open run."""

    def __init__(self) -> None:
        self.runs: dict[Path, Any] = {}
        """The handle of each open run, by its folder."""

    def open(self, info: RunInfo) -> Any:
        """Open a run, or go on with it, and return its handle."""
        raise NotImplementedError

    def log(self, handle: Any, figures: dict[str, float], step: int) -> None:
        """Log the figures of a step."""
        raise NotImplementedError

    def finish(self, handle: Any, state: str) -> None:
        """Close a run; the state is `done`, or says why it has stopped."""
        raise NotImplementedError

    def event(self, event: Event) -> None:
        """Log what an event tells."""
        match event:
            case TrainingStarted():
                self.start(event.run, event.id, event.entry, event.group, flatten(event.config))
            case TrialStarted():
                self.start(event.run, event.id, event.entry, event.study.name, flatten(event.config))
            case EpochEnded():
                figures = named(train=event.train, valid=event.valid)
                self.log(self.runs[event.run], figures | {"lr": event.lr}, event.number)
            case TrialReported():
                self.log(self.runs[event.run], named(valid={"loss": event.loss}), event.epoch)
            case EvaluationEnded():
                self.start(event.run, event.id, event.entry, event.group, {})
                self.log(self.runs[event.run], named(**{event.split: event.metrics}), 0)
                self.end(event.run, "done")
            case _:
                self.conclude(event)

    def conclude(self, event: Event) -> None:
        """Log the result of a run, and close it."""
        match event:
            case TrainingEnded():
                figures = {"seconds": event.seconds}
                self.log(self.runs[event.run], named(kept=event.metrics) | figures, event.epochs)
                self.end(event.run, "done")
            case TrainingFailed():
                self.end(event.run, event.state)
            case TrialEnded() if event.run in self.runs:
                figures = {"seconds": event.seconds, "parameters": event.parameters or 0}
                kept = event.metrics | {"objective": event.objective}
                self.log(self.runs[event.run], named(kept=kept) | figures, 0)
                self.end(event.run, event.state)

    def start(self, run: Path, key: str, entry: str, group: str, config: dict[str, Any]) -> None:
        """Open a run, and keep its handle; an ensemble, which has no key, is known by the names of its runs."""
        name = run.name if key else "+".join(Path(part).name for part in str(run).split("+"))
        key = key or sha256(str(run).encode()).hexdigest()[:16]
        self.runs[run] = self.open(RunInfo(key, name, entry, group, config))

    def end(self, run: Path, state: str) -> None:
        """Close a run."""
        self.finish(self.runs.pop(run), state)

    def close(self) -> None:
        """Close the runs that are still open, all of them even if some fail."""
        errors: list[BaseException] = []
        for run in list(self.runs):
            try:
                self.end(run, "interrupted")
            except (Exception, SystemExit) as error:
                errors.append(error)
        if errors:
            raise errors[0]


def named(**parts: Figures) -> dict[str, float]:
    """Name figures by their part, as `valid/loss`, without those that are not finite."""
    return {
        f"{part}/{name}": value
        for part, figures in parts.items()
        for name, value in figures.items()
        if value is not None and math.isfinite(value)
    }


def flatten(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name options by their sections, as `train.lr`, without those that are not set."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{before}{name}.")
        elif value is not None:
            found[f"{before}{name}"] = value
    return found


def require(module: str, extra: str) -> Any:
    """Import the library of a tracker; MissingError if it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise MissingError(f"--track {name} needs {name}: {error}", f"pip install 'pixel-zoo[{extra}]'") from error
