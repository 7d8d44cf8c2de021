"""The history of a study: the objective of each ended trial, the best so far, and the importance of options."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

from zoo.tuning.study import Study, Trial

MIN_DONE_TRIALS = 4
"""Fewest finished trials for which importance is estimated."""
MAX_OPTIONS = 12
"""Maximum number of options whose importance is shown."""


def objective_points(study: Study) -> tuple[str, dict[int, float]]:
    """Return the objective's name, and its value for each trial that is done or pruned, by number."""
    what = study.spec.objective
    name = {"pareto": "validation loss", "loss": "validation loss", "fewest-parameters": "parameters"}.get(what, what)
    values = {trial.number: objective_value(what, trial) for trial in study.trials if trial.state in ("done", "pruned")}
    return name, {number: value for number, value in values.items() if value is not None and math.isfinite(value)}


def objective_value(what: str, trial: Trial) -> float | None:
    """Return an objective's value, also for a pruned trial."""
    if what in ("pareto", "loss"):
        return trial.loss
    if what == "fewest-parameters":
        return trial.parameters
    if what == "efficiency" and trial.loss and trial.parameters:
        return 1 / (trial.loss * trial.parameters)
    return trial.metrics.get(what) if trial.objective is None else trial.objective


def best_so_far(study: Study) -> list[Trial]:
    """Return the best trial so far after each finished trial."""
    found: list[Trial] = []
    for trial in study.trials:
        if trial.state == "done" and (best := replace(study, trials=[*found[-1:], trial]).best):
            found.append(best)
    return found


def option_importance(study: Study) -> dict[str, float]:
    """Compute the importance of each option for the rank of trials, so that one bad trial does not dominate."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import FrozenTrial, TrialState

    from zoo.tuning.storage import load

    found = load(study.path)
    done = found.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    order = sorted((trial.values[0], trial.number) for trial in done)
    ranks = {number: float(rank) for rank, (_, number) in enumerate(order)}

    def rank(trial: FrozenTrial) -> float:
        return ranks[trial.number]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(get_param_importances(found, evaluator=FanovaImportanceEvaluator(seed=0), target=rank))
