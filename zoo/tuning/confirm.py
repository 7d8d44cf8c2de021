"""Train the best trials of a study and its entry with more seeds, to tell a gain from the noise of seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna

from zoo.core.errors import RunError
from zoo.registry.entry import Entry, with_train
from zoo.tuning.gain import MORE_SEEDS, candidates
from zoo.tuning.ledger import Ledger
from zoo.tuning.study import ENDED_STATES, Study, Trial
from zoo.tuning.study_folder import CONFIRM


class ConfirmLedger(Ledger):
    """The trainings with more seeds; every one is planned, and none is stopped early."""

    def __init__(self, of: Ledger) -> None:
        self.planned = [(trial, seed) for trial in candidates(of.study) for seed in range(1, MORE_SEEDS + 1)]
        unlimited = {"max_params": None, "max_flops": None, "max_latency": None, "trials": max(1, len(self.planned))}
        folder = of.folder / CONFIRM
        folder.mkdir(exist_ok=True)
        try:
            super().__init__(folder, of.entry, of.spec.model_copy(update=unlimited), of.space)
        except RunError as error:
            raise RunError(
                str(error.args[0]), f"delete {folder} and repeat the command; the study's own trials stay"
            ) from error

    @property
    def study(self) -> Study:
        """The trainings that are planned now, as a study."""
        found = super().study
        return replace(found, trials=[trial for trial in found.trials if trial.confirms in self.pairs])

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Number of the trial and seed of each planned training; the first seeds come first."""
        return sorted(
            ((trial.number, self.seed(trial, more)) for trial, more in self.planned), key=lambda pair: pair[1]
        )

    def seed(self, trial: Trial, more: int) -> int:
        """Return another seed for a trial."""
        return int(self.space.apply(self.entry, trial.config).train.seed) + more

    def remaining(self) -> int:
        """Count the trainings that have not ended."""
        ended = {trial.confirms for trial in self.trials.values() if trial.state in (*ENDED_STATES, "refused")}
        return len([pair for pair in self.pairs if pair not in ended])

    def waiting(self) -> list[int]:
        """List the trainings that were started, have not ended and are still planned."""
        return [number for number in super().waiting() if self.trials[number].confirms in self.pairs]

    def is_start(self, number: int) -> bool:
        """Whether a training is never stopped early: none is."""
        return True

    def counts_at_rungs(self, number: int) -> bool:
        """Whether others are stopped for being worse than this one: none is."""
        return False

    def begin(self) -> Trial | None:
        """Start the next training."""
        known = {trial.confirms for trial in self.trials.values()}
        pair = next(pair for pair in self.pairs if pair not in known)
        config = next(trial.config for trial, _ in self.planned if trial.number == pair[0])
        return self.start(self.add_trial({"confirms": list(pair), "config": config}), {})

    def draw(self, optuna_trial: optuna.trial.Trial) -> dict[str, Any]:
        """Return the options of the trial that is repeated."""
        config: dict[str, Any] = optuna_trial.user_attrs["config"]
        return config

    def build(self, trial: Trial) -> Entry:
        """Return the entry with these options and the seed."""
        assert trial.confirms
        return with_train(super().build(trial), seed=trial.confirms[1])
