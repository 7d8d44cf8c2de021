"""Rules of callbacks: they take every event."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import NamedTuple

from zoo.registry import events
from zoo.testing.building import spec_of
from zoo.testing.check import Subject
from zoo.testing.rule import broken_on_error, require, rule


class FurtherEvent(NamedTuple):
    """An event that no callback knows, as a later version may have."""

    run: Path


def examples(folder: Path) -> list[events.Event]:
    """Make one event of each class, in an order in which they may come."""
    run, study, trial = folder / "runs/cnn-1", folder / "runs/cnn-study", folder / "runs/cnn-study/trial-0"
    config = {"model": {"kind": "cnn", "width": 8}, "train": {"epochs": 1, "minutes": None}}
    loss, name = {"loss": 0.5}, "cnn"
    return [
        events.TrainingStarted(run, "0123456789abcdef", name, config, 1000),
        events.EpochEnded(run, 1, 2, "model", 1, loss, {"loss": float("nan"), "accuracy": 0.9}, 0.01, True),
        events.TrainingEnded(run, 1, 2.5, {"loss": 0.4}, "ab" * 32),
        events.EvaluationEnded(run, "0123456789abcdef", name, "test", 100, {"accuracy": 0.9}),
        events.TrainingStarted(run, "0123456789abcdef", name, config, 1000, True),
        events.TrainingFailed(run, "diverged", "the loss is nan", 1.0),
        events.TrialStarted(study, 0, trial, "fedcba9876543210", name, {"train.lr": 0.01}),
        events.TrialReported(study, 0, trial, 1, None),
        events.TrialEnded(study, 0, trial, "done", 0.5, 0.5, loss, 1000, 3.0, ""),
        events.StudyEnded(study, "done", {"done": 1}, 0, trial),
    ]


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Work in an empty folder that is deleted after the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, chdir(folder):
        yield Path(folder)


@rule("callback")
def takes_events(subject: Subject) -> None:
    """It takes every event, also one that it does not know."""
    with empty_folder() as folder:
        spec = spec_of(subject)
        with broken_on_error("build"):
            callback = subject.kind.build(spec)
        require(
            isinstance(callback, events.EventCallback),
            f"build returns a {type(callback).__name__}, no zoo.registry.EventCallback",
        )
        try:
            for event in (*examples(folder), FurtherEvent(folder)):
                with broken_on_error(f"the event {type(event).__name__}"):
                    callback.event(event)
        finally:
            with broken_on_error("close"):
                callback.close()
