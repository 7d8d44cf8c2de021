"""The ledger of a study, which writes every change of a trial to Optuna's study before it is shown."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from zoo.core.errors import JobError, ZooError
from zoo.core.sections import COMPUTED_OBJECTIVES, TuneSpec
from zoo.registry.entry import Entry
from zoo.registry.search.space import Space
from zoo.tuning import storage
from zoo.tuning.objective import constraints, objective_values
from zoo.tuning.study import ENDED_STATES, Study, Trial, moved_options
from zoo.tuning.trial_rows import confirmed_by, losses_of, to_trial, trial_folder

LEARNED_FAILURES = {"diverged", "oom"}
"""Failures caused by the options: stored so that the sampler learns from them, unlike Optuna's FAIL."""
MAX_DEATHS = 10
"""Consecutive deaths of the whole process without a new epoch of a trial before it is given up."""
MIN_POPULATION = 10
"""Smallest generation of NSGA-II; Optuna's default of 50 would be the whole study."""


class Ledger:
    """The trials of a study, for the one process that has locked its folder."""

    def __init__(
        self, folder: Path, entry: Entry, spec: TuneSpec, space: Space, starts: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.folder, self.entry, self.spec, self.space, self.starts = folder, entry, spec, space, starts
        self.dumped, self.words = entry.dump(), space.describe()
        self.connect()
        self.open: dict[int, optuna.trial.Trial] = {}
        self.entries: dict[int, Entry] = {}
        self.refused_in_a_row = 0

    def connect(self) -> None:
        """Open the study's file, and read its trials."""
        self.optuna = storage.connect(self.folder, self.spec)
        found = storage.frozen_trials(self.optuna)
        self.trials = {each.number: to_trial(self.folder, self.spec, storage.to_row(each)) for each in found}

    def reload(self, number: int) -> Trial:
        """Read a trial again after Optuna has changed it."""
        row = storage.to_row(storage.frozen_trials(self.optuna)[number])
        self.trials[number] = to_trial(self.folder, self.spec, row)
        return self.trials[number]

    def close(self) -> None:
        """Close the study's file."""
        storage.close(self.optuna)

    @property
    def study(self) -> Study:
        """The study with all its trials."""
        trials = [self.trials[number] for number in sorted(self.trials)]
        return Study(self.folder, self.dumped, self.spec, self.words, trials, moved=moved_options(self.starts))

    def remaining(self) -> int:
        """Count the trials that are left of the budget."""
        return max(0, self.spec.trials - sum(trial.state in ENDED_STATES for trial in self.trials.values()))

    def waiting(self) -> list[int]:
        """List the trials that were started and have not ended, oldest first."""
        return sorted(number for number, trial in self.trials.items() if trial.state == "waiting")

    def rungs(self) -> Iterator[tuple[int, int, float]]:
        """Yield number, epoch and loss of every report that counts, to rebuild the rungs of ASHA."""
        for trial in filter(lambda trial: self.counts_at_rungs(trial.number), storage.frozen_trials(self.optuna)):
            for epoch, loss in sorted(losses_of(storage.to_row(trial)).items()):
                yield trial.number, epoch, loss

    def counts_at_rungs(self, number: int) -> bool:
        """Whether other trials are stopped for being worse than this one after as many epochs.

        Where fewer parameters are an aim too, the loss of the trials that the study begins with is no measure for
        smaller models.
        """
        return not (self.is_start(number) and self.spec.objective in COMPUTED_OBJECTIVES)

    def begin(self) -> Trial | None:
        """Start a new candidate: one that the study begins with, or a sampled one.

        Returns None if it was refused because its options do not fit together.
        """
        number = len(storage.frozen_trials(self.optuna))
        self.optuna.sampler = make_sampler(self.spec, number)
        return self.start(self.ask_for(self.starts[number]) if self.is_start(number) else self.optuna.ask(), {})

    def is_start(self, number: int) -> bool:
        """Whether the study begins with a trial, rather than sampling its options."""
        return number < len(self.starts)

    def ask_for(self, start: dict[str, Any]) -> optuna.trial.Trial:
        """Create a trial with given options, in one step, so that it has them whenever this process is killed."""
        fixed = {"fixed_params": self.space.fix(start["config"])}
        return self.add_trial({"start": start["origin"]}, fixed)

    def add_trial(self, about: dict[str, Any], internal: dict[str, Any] | None = None) -> optuna.trial.Trial:
        """Create a running trial with attributes of the zoo and, if need be, internal ones of Optuna."""
        made = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs=about, system_attrs=internal)
        self.optuna.add_trial(made)
        return optuna.trial.Trial(self.optuna, storage.frozen_trials(self.optuna)[-1]._trial_id)

    def resume(self, number: int, process_died: bool) -> Trial | None:
        """Resume a trial.

        Returns None if it is given up. `process_died`: its own process, not only the driver.
        """
        old = storage.frozen_trials(self.optuna)[number]
        self.optuna.sampler = make_sampler(self.spec, number)
        epoch = max(losses_of(storage.to_row(old)), default=0)
        failures = {key: self.failures_since_progress(old, key, epoch) for key in ("crashes", "deaths")}
        failures["crashes" if process_died else "deaths"] += 1
        attempts = old.user_attrs.get("attempts", 0) + 1
        optuna_trial = optuna.trial.Trial(self.optuna, old._trial_id)
        if failures["deaths"] > MAX_DEATHS:
            self.open[number] = optuna_trial
            self.end(number, "crashed", reason=f"the process died {MAX_DEATHS} times in a row during this trial")
            return None
        return self.start(optuna_trial, failures | {"at": epoch, "attempts": attempts})

    def failures_since_progress(self, old: FrozenTrial, key: str, epoch: int) -> int:
        """Count the consecutive crashes of a trial without a new epoch."""
        return int(old.user_attrs.get(key, 0)) if epoch <= old.user_attrs.get("at", 0) else 0

    def is_out_of_attempts(self, number: int) -> bool:
        """Whether a trial has now crashed too often to be retried."""
        old = storage.frozen_trials(self.optuna)[number]
        epoch = max(losses_of(storage.to_row(old)), default=0)
        return self.failures_since_progress(old, "crashes", epoch) + 1 >= self.spec.attempts

    def start(self, optuna_trial: optuna.trial.Trial, about: dict[str, Any]) -> Trial | None:
        """Sample the options, the same ones for a resumed trial, and record that the trial is running."""
        config, number = self.draw(optuna_trial), optuna_trial.number
        for key, value in {"config": config, "attempts": 1, **about}.items():
            optuna_trial.set_user_attr(key, value)
        self.open[number] = optuna_trial
        before = self.trials.get(number)
        origin, confirms = optuna_trial.user_attrs.get("start", ""), confirmed_by(optuna_trial.user_attrs)
        run = trial_folder(self.folder, number, confirms)
        fresh = Trial(number, "running", run, config, start=origin, confirms=confirms)
        self.trials[number] = replace(
            before or fresh, state="running", config=config, attempts=about.get("attempts", 1)
        )
        try:
            self.entries[number] = self.build(self.trials[number])
        except ZooError as error:
            self.end(number, "refused", reason=str(error))
            return None
        return self.trials[number]

    def draw(self, optuna_trial: optuna.trial.Trial) -> dict[str, Any]:
        """Sample the options of a trial."""
        return self.space.sample(optuna_trial)

    def build(self, trial: Trial) -> Entry:
        """Return the entry with the options of a trial."""
        return self.space.apply(self.entry, trial.config)

    def report(self, number: int, epoch: int, loss: float, **about: Any) -> Trial:
        """Record the loss of a trial's epoch."""
        trial, optuna_trial = self.trials[number], self.open[number]
        if epoch > trial.epoch:
            if len(self.optuna.directions) == 1:
                optuna_trial.report(loss, epoch)
            else:
                losses = optuna_trial.user_attrs.get("losses", {})
                optuna_trial.set_user_attr("losses", losses | {str(epoch): loss})
            if trial.parameters is None:
                optuna_trial.set_user_attr("parameters", about["parameters"])
                optuna_trial.set_user_attr("epochs", about["epochs"])
            self.trials[number] = replace(trial, epoch=epoch, loss=loss, **about)
        return self.trials[number]

    def end(self, number: int, outcome: str, **about: Any) -> Trial:
        """Record the final result of a trial; `about` is stored in the study."""
        optuna_trial, values = self.open.pop(number), None
        try:
            if outcome == "done":
                values = objective_values(self.spec, about["metrics"], about["parameters"])
        except JobError as error:
            outcome, about = "failed", about | {"reason": str(error)}
        for key, value in {"outcome": outcome, "reason": "", **about}.items():
            optuna_trial.set_user_attr(key, value)
        violations = constraints(self.spec, about["metrics"]) if outcome == "done" else {}
        if outcome == "refused":
            violations = about.get("over") or {"options": 1.0}
        elif outcome in LEARNED_FAILURES:
            violations = {"outcome": 1.0}
        for key, value in violations.items():
            optuna_trial.set_constraint(key, value)
        state = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "refused": TrialState.PRUNED}.get(outcome)
        state = state or (TrialState.PRUNED if outcome in LEARNED_FAILURES else TrialState.FAIL)
        self.optuna.tell(optuna_trial, values, state=state)
        self.entries.pop(number, None)
        self.refused_in_a_row = self.refused_in_a_row + 1 if outcome == "refused" else 0
        return self.reload(number)

    def pause(self, number: int, **about: Any) -> Trial:
        """Record that a trial stopped early, to be resumed from its checkpoint."""
        optuna_trial = self.open.pop(number)
        for key, value in about.items():
            optuna_trial.set_user_attr(key, value)
        return self.reload(number)


def make_sampler(spec: TuneSpec, number: int) -> BaseSampler:
    """Make the sampler of one trial, which depends only on the seed, the number and the trials in the study."""
    seed = trial_seed(spec.seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if spec.sampler == "random":
            return RandomSampler(seed=seed)
        if spec.sampler == "gp":
            return GPSampler(seed=seed, n_startup_trials=spec.random_trials, warn_independent_sampling=False)
        if spec.sampler == "nsga2":
            return NSGAIISampler(seed=seed, population_size=max(MIN_POPULATION, spec.random_trials))
        startup = spec.random_trials
        return TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, group=True, constant_liar=True)


def trial_seed(seed: int, number: int) -> int:
    """Derive a 32-bit seed for one trial from the study's seed and the trial's number."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
