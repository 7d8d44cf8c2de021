"""ASHA as Ray Tune has it, with rungs that outlive the process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import ASHAScheduler

from zoo.core.errors import one_line
from zoo.tuning.searcher import StudySearcher

MAX_EPOCHS = 10_000_000
"""Epochs up to which there are rungs."""


class StudyASHA(ASHAScheduler):
    """ASHA (Li et al. 2018, arXiv:1810.05934) over the loss by epoch, for the numbers of a study.

    Its rungs are filled from the study, so that a resumed one stops what an undisturbed one would. At its last epoch
    a trial is never stopped: it is done.
    """

    def __init__(self, searcher: StudySearcher) -> None:
        self.searcher, ledger, spec = searcher, searcher.ledger, searcher.ledger.spec
        super().__init__("epoch", "loss", "min", MAX_EPOCHS, spec.grace, spec.reduction, stop_last_trials=False)
        for number, epoch, loss in ledger.rungs():
            self._brackets[0].on_result(TrialStub(number), epoch, -loss)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide whether a trial stops after an epoch."""
        if "loss" not in result:
            return self.CONTINUE
        number = trial.config["number"]
        action = self._brackets[0].on_result(TrialStub(number), result["epoch"], -result["loss"])
        if action == self.CONTINUE or result["epoch"] >= result["epochs"]:
            return self.CONTINUE
        self.searcher.pruned.add(number)
        return self.STOP

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Do nothing: rungs know trials by the numbers of the study."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Do nothing: the searcher handles the end of a trial."""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Keep what Ray knows of the death of a worker, which the searcher is not given."""
        with suppress(OSError):
            text = Path(trial.error_file).read_text(encoding="utf-8")
            self.searcher.causes[trial.config["number"]] = death_cause(text)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Do nothing: rungs keep the trial."""


def death_cause(text: str) -> str:
    """Cut the reason of a process's death from Ray's report, in one line."""
    detail = text.rpartition("exit detail: ")[2].partition(" Some common causes")[0]
    return one_line(f"its process died: {detail}")[:400]


class TrialStub(Any if TYPE_CHECKING else object):  # type: ignore[misc]
    """A stand-in for a trial of Ray, with the number of the study."""

    def __init__(self, number: int) -> None:
        self.trial_id = number
