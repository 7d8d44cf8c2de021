"""What callbacks are told of a study."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import listener
import pytest
from studies import study, trial

import zoo
from tests.conftest import TINY, Install
from zoo.cli import main
from zoo.core.files import digest, write_json
from zoo.registry import EvaluationEnded, Event, EventCallback, StudyEnded, TrialEnded, TrialReported, TrialStarted
from zoo.training.events import Events
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.events import TrialSender
from zoo.tuning.study import Study, Trial

pytestmark = pytest.mark.usefixtures("home")


class Keeper(EventCallback):
    """Keep what is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


def sent(*updates: Trial, before: Study | None = None) -> list[Event]:
    """The events of a study of which these are the updates."""
    keeper = Keeper()
    found = study()
    write_json(found.path / "study.json", (about := {"schema": 1, "begun": "2026"}) | {"seal": digest(about)})
    sender = TrialSender(TuneCallback(), Events([keeper]))
    sender.begin(before or found, 2)
    for update in updates:
        sender.update(found, update)
    sender.end(study("done", "pruned", budget=2))
    return keeper.events


def test_a_trial_tells_its_start_its_epochs_and_its_end_once() -> None:
    running, done = trial(0, "running", epoch=0, loss=None), trial(0, "done", epoch=2)
    first = replace(running, epoch=1, loss=0.7)
    start, report, last, end, whole = sent(running, running, first, first, done, done)
    assert isinstance(start, TrialStarted)
    assert (start.trial, start.entry, start.config) == (0, "cnn", running.config)
    assert report == TrialReported(start.study, 0, running.run, 1, 0.7)
    assert last == TrialReported(start.study, 0, running.run, 2, done.loss)
    assert isinstance(end, TrialEnded)
    assert (end.state, end.metrics, end.parameters) == ("done", done.metrics, done.parameters)
    assert isinstance(whole, StudyEnded)
    assert (whole.state, whole.trials, whole.best, whole.best_run) == ("done", {"done": 1, "pruned": 1}, 0, done.run)


def test_trials_that_ended_before_are_not_told_again_and_a_resumed_one_has_the_same_id() -> None:
    before = study("done", "waiting")
    waiting = replace(before.trials[1], attempts=1)
    events = sent(before.trials[0], waiting, replace(waiting, state="running", epoch=3, attempts=2), before=before)
    assert [type(event) for event in events] == [TrialStarted, StudyEnded]
    (first, _) = sent(trial(1, "running", epoch=0))
    assert first[3] == events[0][3]


@pytest.mark.parametrize("folder", ["trials/t00000", "confirm/trials/t00000-seed1"])
def test_an_evaluation_of_a_trial_has_the_id_of_the_trial_and_the_name_of_the_study(folder: str, trained: Path) -> None:
    begun = replace(trial(0, "running", epoch=0), run=Path("runs/cnn-study", folder))
    start = sent(begun)[0]
    shutil.copytree(trained, begun.run)
    keeper = Keeper()
    zoo.evaluate(begun.run, device="cpu", callbacks=[keeper])
    (found,) = keeper.events
    assert isinstance(start, TrialStarted)
    assert isinstance(found, EvaluationEnded)
    assert (found.id, found.group) == (start.id, "cnn-study")


@pytest.mark.slow
def test_a_real_study_tells_its_trials_in_the_main_process(install: Install) -> None:
    install("lines", listener.PLUGIN, harmless=True)
    words = [*TINY, "tune.sampler=random", "--trials", "2", "--parallel", "1", "--device", "cpu"]
    assert main(["tune", "cnn", *words, "--track", "lines", "--confirm"]) == 0
    names = listener.names()
    assert names[-2:] == ["StudyEnded", "closed"]
    trials: dict[str, list[dict[str, Any]]] = {}
    for event in listener.events()[:-2]:
        trials.setdefault(event["run"], []).append(event)
    for events in trials.values():
        assert (events[0]["event"], events[-1]["event"]) == ("TrialStarted", "TrialEnded")
        assert all(event["event"] == "TrialReported" for event in events[1:-1])
    found = zoo.studies()[0][0]
    assert {each.run.name for each in found.trials} < {Path(run).name for run in trials}
    assert len(trials) > 2, "the trainings that confirm are told too"
