"""Ray Tune's ASHA, with rungs restored from the study when it is resumed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import ASHAScheduler

from zoo.core.errors import one_line
from zoo.tuning.searcher import StudySearcher

MAX_EPOCHS = 10_000_000
"""Largest epoch with a rung, unless trials may not be stopped before it."""


class StudyASHA(ASHAScheduler):
    """ASHA (Li et al. 2018, arXiv:1810.05934) over the loss by epoch, with trials identified by their number.

    Its rungs are filled from the study, so that a resumed study stops the same trials as an uninterrupted one. A trial
    is never stopped at its last epoch, since it is done then, nor are those that the study begins with: without them
    nothing would tell what the search has gained.
    """

    def __init__(self, searcher: StudySearcher) -> None:
        self.searcher, ledger, spec = searcher, searcher.ledger, searcher.ledger.spec
        grace, reduction = spec.grace_period, spec.reduction_factor
        super().__init__("epoch", "loss", "min", max(MAX_EPOCHS, grace), grace, reduction, stop_last_trials=False)
        for number, epoch, loss in ledger.rungs():
            self._brackets[0].on_result(TrialStub(number), epoch, -loss)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide whether a trial stops after an epoch."""
        if "loss" not in result:
            return self.CONTINUE
        number, ledger = trial.config["number"], self.searcher.ledger
        if not ledger.counts_at_rungs(number):
            return self.CONTINUE
        action = self._brackets[0].on_result(TrialStub(number), result["epoch"], -result["loss"])
        if action == self.CONTINUE or result["epoch"] >= result["epochs"] or ledger.is_start(number):
            return self.CONTINUE
        self.searcher.pruned.add(number)
        return self.STOP

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Do nothing, since rungs identify trials by the numbers of the study."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Do nothing, since the searcher handles the end of a trial."""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Save why a worker died, which Ray does not pass to the searcher."""
        with suppress(OSError):
            text = Path(trial.error_file).read_text(encoding="utf-8")
            self.searcher.causes[trial.config["number"]] = death_cause(text)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Do nothing, since rungs keep the trial."""


def death_cause(text: str) -> str:
    """Extract why a process died from Ray's report, as one line."""
    detail = text.rpartition("exit detail: ")[2].partition(" Some common causes")[0]
    return one_line(f"its process died: {detail}")[:400]


class TrialStub(Any if TYPE_CHECKING else object):  # type: ignore[misc]
    """A stand-in for a Ray trial, identified by its number in the study."""

    def __init__(self, number: int) -> None:
        self.trial_id = number
