"""Send events to callbacks; one that raises is named and left out, and none can change numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any

from zoo.core.augment_list import parse_text
from zoo.core.errors import InterruptedRun, MissingError, ZooError, describe_error, one_line
from zoo.core.files import digest
from zoo.core.notes import Tell, ignore
from zoo.core.trust import load_json
from zoo.registry.blame import plugin_errors
from zoo.registry.catalog import catalog
from zoo.registry.entry import Component
from zoo.registry.events import (
    EpochEnded,
    Event,
    EventCallback,
    TrainingEnded,
    TrainingFailed,
    TrainingStarted,
)
from zoo.registry.raw_entry import RawEntry
from zoo.registry.validation import validate
from zoo.runs.names import STUDY_FILE, group_folder
from zoo.runs.run import Run
from zoo.training.callbacks import Callback, StageInfo

GivenCallbacks = Sequence[str | EventCallback]
"""Callbacks as a user gives them: a kind with its options, such as `mlflow experiment=digits`, or an object."""
FAULTS = (Exception, SystemExit)
"""What a callback may raise; an interruption by the user passes."""


class Events:
    """The callbacks of one call of the zoo, to which events are sent."""

    def __init__(self, given: GivenCallbacks = (), tell: Tell = ignore, group: str = "") -> None:
        self.tell, self.group = tell, group
        self.callbacks: list[tuple[str, EventCallback]] = []
        try:
            self.callbacks += map(build_callback, given)
        except BaseException:
            self.close()
            raise

    def send(self, event: Event) -> None:
        """Send an event to each callback, as a copy of its own."""
        for name, callback in list(self.callbacks):
            try:
                with undisturbed():
                    callback.event(deepcopy(event))
            except FAULTS as error:
                self.callbacks.remove((name, callback))
                self.tell(one_line(f"the callback {name} failed and is left out: {describe_error(error)}"))
                self.close_callback(name, callback)

    def close(self) -> None:
        """Close all callbacks."""
        while self.callbacks:
            self.close_callback(*self.callbacks.pop(0))

    def close_callback(self, name: str, callback: EventCallback) -> None:
        """Close a callback; if it raises, say so."""
        try:
            with undisturbed():
                callback.close()
        except FAULTS as error:
            self.tell(one_line(f"the callback {name} failed while it was closed: {describe_error(error)}"))

    def follow(self, callback: Callback, run: Path) -> Callback:
        """Make a callback of a training that also sends its epochs; the same one if nobody listens."""
        return EpochSender(callback, run, self) if self.callbacks else callback

    @contextmanager
    def training(self, run: Run, resumed: bool) -> Iterator[None]:
        """Send that a training starts and, after the block, how it ended."""
        if not self.callbacks:
            yield
            return
        entry, group = run.entry.dump(), self.group
        parameters = int(run.record["parameters"])
        self.send(TrainingStarted(run.path, run_id(run), run.entry.name, entry, parameters, resumed, group))
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, InterruptedRun | KeyboardInterrupt)
            state = "interrupted" if stopped else run.state if run.state == "diverged" else "failed"
            reason = str(run.record.get("reason") or describe_error(error))
            self.send(TrainingFailed(run.path, state, one_line(reason), float(run.record["seconds"])))
            raise
        rows, metrics = run.log(), run.kept_epoch()["valid"]
        self.send(
            TrainingEnded(run.path, len(rows), float(run.record["seconds"]), metrics, str(run.record["weights_sha256"]))
        )


class EpochSender(Callback):
    """Pass everything on to another callback of a training, and send its epochs as events."""

    def __init__(self, callback: Callback, run: Path, events: Events) -> None:
        self.callback, self.run, self.events = callback, run, events

    def stage(self, info: StageInfo) -> None:
        """Pass a stage on."""
        self.callback.stage(info)

    def step(self) -> None:
        """Pass a step on."""
        self.callback.step()

    def note(self, text: str) -> None:
        """Pass a message on."""
        self.callback.note(text)

    def epoch(self, row: dict[str, Any]) -> None:
        """Pass an epoch on, and send it."""
        self.callback.epoch(row)
        keys = ("number", "of", "stage", "epoch", "train", "valid", "lr", "best")
        self.events.send(EpochEnded(self.run, **{key: row[key] for key in keys}))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restore the random generators after the block, and keep what it prints out of stdout."""
    import torch

    from zoo.training.device import preserve_random_state

    with preserve_random_state(torch.device("cpu")), redirect_stdout(sys.stderr):
        yield


@contextmanager
def open_events(given: GivenCallbacks, tell: Tell, group: str = "") -> Iterator[Events]:
    """Build callbacks, and close them at the end; `tell` is called with the name of one that fails.

    Raises ZooError for an unknown kind or option, and MissingError if a library is not installed.
    """
    with closing(Events(given, tell, group)) as events:
        yield events


def build_callback(given: str | EventCallback) -> tuple[str, EventCallback]:
    """Build a callback from its name and options, and return it with its name."""
    if isinstance(given, EventCallback):
        return type(given).__name__, given
    if not isinstance(given, str):
        text = f"{given!r:.80} is not a callback"
        raise ZooError(text, "give the name of a callback kind, or an object of zoo.registry.EventCallback")
    name, options = read_callback(given)
    plugin, kind = catalog().find("callback", name)
    try:
        spec = validate(kind.spec, RawEntry(name, {}, {}), (), options)
    except ZooError as error:
        raise ZooError(error.args[0], f"its options: {', '.join(kind.spec.model_fields) or 'none'}") from error
    with plugin_errors(Component(kind, plugin, spec, name), "build"), undisturbed():
        callback = kind.build(spec)
    if not isinstance(callback, EventCallback):
        text = f"{plugin}: the callback kind {kind.name!r} builds a {type(callback).__name__}, no EventCallback"
        raise MissingError(text, f"report it to its authors; `zoo check {kind.name}` checks its rules")
    return name, callback


def read_callback(text: str) -> tuple[str, dict[str, Any]]:
    """Read `mlflow experiment=digits`: a kind and its options."""
    try:
        options = parse_text(text)
    except ValueError as error:
        raise ZooError(
            f"{text[:80]!r} is not a callback", "write a name and options, such as 'wandb project=digits'"
        ) from error
    return options.pop("kind"), options


def named_callbacks(given: GivenCallbacks) -> list[str] | None:
    """Return the callbacks that a command can name; None if there are none."""
    return [each for each in given if isinstance(each, str)] or None


def run_id(run: Run) -> str:
    """Identify a training by its folder and its start, and a trial by its folder and the start of its study."""
    folder = group_folder(run.path)
    begun = folder and begun_study(folder)
    return short_id(run.path, begun or str(run.record.get("started")))


def run_group(run: Path) -> str:
    """Return the name of the study or comparison that a run is part of; empty if it is part of none."""
    folder = group_folder(run)
    return folder.name if folder else ""


def begun_study(folder: Path) -> str:
    """Return when a study was begun; empty for another folder."""
    try:
        return str(load_json(folder / STUDY_FILE)["begun"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def short_id(path: Path, begun: str) -> str:
    """Return 16 hexadecimal digits for a folder and the time when it was begun."""
    return digest([str(path.resolve()), begun])[:16]
