"""Events of trainings, studies and evaluations, and the base class of the callbacks that receive them.

They hold numbers, names and paths only, so that a callback can change nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class TrainingStarted(NamedTuple):
    """A training has started, or resumed after an interruption."""

    run: Path
    """Its run folder."""
    id: str
    """Identifies the training, also after a resumption: 16 hexadecimal digits."""
    entry: str
    config: dict[str, Any]
    """All options, in sections, as in entry.json."""
    parameters: int
    """Number of trainable parameters."""
    resumed: bool = False
    group: str = ""
    """Name of the comparison that the training belongs to; empty if it belongs to none."""


class EpochEnded(NamedTuple):
    """An epoch has been trained and validated.

    After a resumption the last ones may come again.
    """

    run: Path
    number: int
    """Number of the epoch over all stages, from 1 on."""
    of: int
    """Number of epochs of all stages; 0 with a time limit."""
    stage: str
    epoch: int
    """Number of the epoch in its stage, from 1 on."""
    train: dict[str, float]
    """Mean training losses of the epoch, by name."""
    valid: dict[str, float]
    """Metrics over the validation pictures, by name."""
    lr: float
    """Learning rate of the last step."""
    best: bool
    """Whether the weights of this epoch are the best of the stage so far."""


class TrainingEnded(NamedTuple):
    """A training has finished, and its weights are saved."""

    run: Path
    epochs: int
    seconds: float
    metrics: dict[str, float]
    """Metrics of the kept weights over the validation pictures."""
    weights_sha256: str


class TrainingFailed(NamedTuple):
    """A training has stopped before its end."""

    run: Path
    state: str
    """diverged, interrupted (it can be resumed) or failed."""
    reason: str
    seconds: float


class TrialStarted(NamedTuple):
    """A trial of a study has started, or resumed."""

    study: Path
    trial: int
    """Number of the trial, from 0 on."""
    run: Path
    """Its run folder, by which the events of one trial are recognised."""
    id: str
    """Identifies the trial, also after a resumption: 16 hexadecimal digits."""
    entry: str
    config: dict[str, Any]
    """The sampled values, by dotted option."""


class TrialReported(NamedTuple):
    """A trial has ended an epoch."""

    study: Path
    trial: int
    run: Path
    epoch: int
    loss: float | None
    """Validation loss of the epoch; None if it is unknown."""


class TrialEnded(NamedTuple):
    """A trial has ended."""

    study: Path
    trial: int
    run: Path
    state: str
    """done, pruned, refused, diverged, oom, crashed, hung or failed."""
    loss: float | None
    objective: float | None
    metrics: dict[str, float]
    """Validation metrics of the kept epoch."""
    parameters: int | None
    seconds: float
    reason: str


class StudyEnded(NamedTuple):
    """No trial of a study is running any more."""

    study: Path
    state: str
    """done, or unfinished (it can be resumed)."""
    trials: dict[str, int]
    """Number of trials by state."""
    best: int | None
    """Number of the best trial; None if none is done."""
    best_run: Path | None


class EvaluationEnded(NamedTuple):
    """A run has been evaluated."""

    run: Path
    """Its run folder; the names of several, joined by `+`, for an ensemble."""
    id: str
    """The `id` of its training or trial; empty for an ensemble."""
    entry: str
    split: str
    pictures: int
    metrics: dict[str, float]
    group: str = ""
    """Name of the comparison or study that the run belongs to; empty if it belongs to none."""


Event = (
    TrainingStarted
    | EpochEnded
    | TrainingEnded
    | TrainingFailed
    | TrialStarted
    | TrialReported
    | TrialEnded
    | StudyEnded
    | EvaluationEnded
)


class EventCallback:
    """Base class of callbacks that are told what happened; both methods do nothing by default.

    They are called in the main process, after the fact, at most once per epoch. One that raises is closed and left out
    for the rest. Later versions may send further events, so ignore those you do not know.

    Example:
        >>> from pathlib import Path
        >>> from zoo.registry import EpochEnded, EventCallback
        >>> class Losses(EventCallback):
        ...     def event(self, event):
        ...         if isinstance(event, EpochEnded):
        ...             print(event.number, event.valid["loss"])
        >>> Losses().event(EpochEnded(Path("runs/cnn-1"), 1, 5, "model", 1, {"loss": 2.0}, {"loss": 1.5}, 0.01, True))
        1 1.5
    """

    def event(self, event: Event) -> None:
        """Called with each event."""

    def close(self) -> None:
        """Called once: at the end, also after an error, or when `event` has raised."""
