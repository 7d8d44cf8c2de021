"""Made-up studies, and a made-up engine in the place of `zoo.tune`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo.core.sections import TuneSpec
from zoo.tuning.study import Study, Trial

REASONS = {
    "diverged": "the loss is not finite at step 212",
    "oom": "out of memory: 3 GB of 日本",
    "failed": "RuntimeError: a plugin says a great deal about what is wrong, in one line that has no end",
    "refused": "1,234,567 parameters exceed the budget of 900,000",
}
SPACE = {"model.first": "32..48 step 2", "train.lr": "0.0001..0.01 log", "model.norm": "before | after"}


def trial(number: int, state: str = "done", **values: Any) -> Trial:
    """A made-up trial; the later, the better."""
    config = {"model.first": 32 + 2 * (number % 9), "train.lr": 0.001 + 0.0001 * number, "model.norm": "before"}
    loss = 0.5 / (number + 1) if state in ("done", "pruned", "running") else None
    epoch = {"done": 24, "pruned": 2, "running": 7, "diverged": 1}.get(state, 0)
    about: dict[str, Any] = {"config": config, "epoch": epoch, "epochs": 24, "loss": loss, "seconds": 2.0 * epoch}
    about |= {"parameters": 50_000 + 3_101 * number, "reason": REASONS.get(state, "")}
    if state == "done":
        about |= {"objective": loss, "metrics": {"loss": loss, "accuracy": 0.9}}
    return Trial(number, state, Path(f"runs/cnn-study/trials/t{number:05d}"), **(about | values))


def study(*states: str, budget: int = 20, path: str = "runs/cnn-study", **options: Any) -> Study:
    """A study with a trial in each of these states."""
    trials = [trial(number, state) for number, state in enumerate(states)]
    entry = {"name": "cnn", "data": {"kind": "digits"}}
    return Study(Path(path), entry, TuneSpec(trials=budget, **options), SPACE, trials)


MIXED = ("done", "pruned", "done", "diverged", "oom", "refused", "failed", "diverged", "done", "running", "waiting")


class Engine:
    """Stands in for `tune_run`: tells the callback what a study found, and keeps what it is asked for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch

    def __call__(self, found: Study, before: Study | None = None, error: Exception | None = None) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def tune(name: str, *overrides: str, callback: Any, **options: Any) -> Study:
            asked.update(options, name=name, overrides=overrides)
            callback.begin(before or replace(found, trials=[]), 2)
            for ended in found.trials:
                callback.update(replace(found, trials=found.trials[: ended.number + 1]), ended)
                callback.tick()
            callback.note("a note")
            callback.end(found)
            if error:
                raise error
            return found

        self.patch.setattr("zoo.tuning.tune.tune", tune)
        return asked
