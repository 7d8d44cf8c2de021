"""The searcher for Ray Tune: it gets trials from the ledger, and records in it how they end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from zoo.core.errors import JobError, ResourceError, ZooError
from zoo.runs.run import Run
from zoo.tuning.ledger import Ledger
from zoo.tuning.study import Trial
from zoo.tuning.trial_worker import TrialOrder, was_hung

Orders = Callable[[Trial, dict[str, Any]], TrialOrder]
RETRIED_STATES = {"crashed", "oom"}
"""States after which another attempt may succeed."""
MAX_REFUSALS = 300
"""Consecutive refused candidates before the search is given up."""


class StudySearcher(Searcher):
    """A searcher that gets trials from the ledger, waiting ones first, and records there how they end.

    Ray's own state is never read, so it is not saved.
    """

    def __init__(self, ledger: Ledger, order: Orders, changed: Callable[[Trial], None]):
        super().__init__()
        self.ledger, self.order, self.changed = ledger, order, changed
        self.waiting = [(number, False) for number in ledger.waiting()]
        self.live: dict[str, int] = {}
        self.stopping = False
        self.trouble: ZooError | None = None
        self.causes: dict[int, str] = {}
        """Why the processes of trials died, as far as Ray knows."""
        self.pruned: set[int] = set()
        """Trials that ASHA stopped."""
        self.noisy: set[int] = set()
        """Candidates whose measured latency varied."""

    def suggest(self, trial_id: str) -> Any:
        """Return the order of the next trial; None if there is none now."""
        if self.stopping or len(self.live) >= self.ledger.remaining():
            return None if self.live else Searcher.FINISHED
        trial = None
        while trial is None and not self.stopping:
            trial = self.next()
        if trial is None:
            return None if self.live else Searcher.FINISHED
        self.live[trial_id] = trial.number
        self.changed(trial)
        return asdict(self.order(trial, self.ledger.entries[trial.number].dump()))

    def next(self) -> Trial | None:
        """Return a waiting trial or a new one.

        Returns None if it was refused or given up.
        """
        if self.waiting:
            return self.ledger.resume(*self.waiting.pop(0))
        trial = self.ledger.begin()
        self.check_refusals()
        return trial

    def check_refusals(self) -> None:
        """Stop the search after too many refused candidates in a row."""
        if self.ledger.refused_in_a_row >= MAX_REFUSALS:
            self.stopping = True
            reason = self.ledger.trials[max(self.ledger.trials)].reason
            text = f"{MAX_REFUSALS} candidates in a row were refused, the last one because: {reason}"
            spec = self.ledger.spec
            limits = {"params": spec.max_params, "flops": spec.max_flops, "latency": spec.max_latency}
            given = " or ".join(f"--max-{name}" for name, limit in limits.items() if limit is not None)
            self.trouble = JobError(text, f"widen tune.space{f', or increase {given}' if given else ''}")

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record the epoch that a trial has finished."""
        if (number := self.live.get(trial_id)) is not None:
            self.report(number, result)

    def report(self, number: int, result: dict[str, Any]) -> None:
        """Record the loss of an epoch."""
        if "loss" in result:
            about = {key: result[key] for key in ("parameters", "epochs")}
            self.changed(self.ledger.report(number, result["epoch"], result["loss"], **about))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record how a trial ended: by itself, by ASHA, or because its process died."""
        number = self.live.pop(trial_id, None)
        if number is None:
            return
        if error:
            hung = was_hung(self.ledger.trials[number].run)
            self.finish(number, "hung" if hung else "crashed", reason=self.cause(number, hung))
        elif result and "verdict" in result:
            verdict = json.loads(result["verdict"])
            self.finish(number, verdict.pop("state"), **verdict)
        elif number in self.pruned:
            self.report(number, result or {})  # Ray Tune does not report the last epoch of a stopped trial
            self.finish(number, "pruned")
            mark_pruned(self.ledger.trials[number].run)
        else:  # Ray Tune ended before the trial did
            self.finish(number, "waiting")

    def cause(self, number: int, hung: bool) -> str:
        """Return why the process of a trial died."""
        if hung:
            return f"no step for {self.ledger.spec.hang_timeout:g} seconds; hung.txt in its folder shows where it hung"
        return self.causes.pop(number, "its process died")

    def finish(self, number: int, state: str, **about: Any) -> None:
        """Record how a trial ended, or let it wait for another attempt."""
        if about.pop("noisy", False):
            self.noisy.add(number)
        if state == "resources":
            self.stopping, self.trouble = True, ResourceError(about["reason"])
            state = "waiting"
        if state == "useless":
            self.stopping, self.trouble = True, ZooError(about["reason"])
            state = "waiting"
        if state == "waiting":
            self.changed(self.ledger.pause(number, deaths=0))  # it was asked to stop
        elif state in RETRIED_STATES and not self.ledger.is_out_of_attempts(number):
            self.waiting.append((number, True))
            self.changed(self.ledger.pause(number, **about))
        else:
            self.changed(self.ledger.end(number, state, **about))
            self.check_refusals()

    def save(self, checkpoint_path: str) -> None:
        """Do nothing, since the study contains the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, since the study contains the state."""


def mark_pruned(run: Path) -> None:
    """Mark a run as pruned by ASHA, and delete its checkpoint, which is not needed any more."""
    with suppress(ZooError, OSError):
        Run.open(run).update(state="pruned")
        shutil.rmtree(run / "state", ignore_errors=True)
