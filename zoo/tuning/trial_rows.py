"""Read the trials of a study from its SQLite file without importing Optuna, which takes longer than all the rest."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from zoo.core.sections import TuneSpec
from zoo.tuning.study import ENDED_STATES, LIVE_STATES, Trial

FILE = "study.db"
SCHEMA_VERSION = 12
"""The version of Optuna's tables that is read here; any other is left to Optuna."""
INFINITIES = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}
KNOWN_STATES = {*LIVE_STATES, *ENDED_STATES, "refused"}
OPEN_STATES = {"RUNNING", "WAITING"}


class UnknownSchemaError(Exception):
    """The tables are not those of a known version of Optuna."""


class TrialRow(NamedTuple):
    """A trial as Optuna stores it."""

    number: int
    state: str
    """COMPLETE, PRUNED, FAIL, RUNNING or WAITING."""
    values: list[float]
    user_attrs: dict[str, Any]
    intermediate_values: dict[int, float]


def read_rows(folder: Path) -> list[TrialRow]:
    """Read all trials in order; UnknownSchemaError or sqlite3.Error if that takes Optuna."""
    with closing(sqlite3.connect((folder / FILE).resolve().as_uri() + "?mode=ro", uri=True, timeout=5)) as file:
        if file.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
        if file.execute("SELECT schema_version FROM version_info").fetchall() != [(SCHEMA_VERSION,)]:
            raise UnknownSchemaError
        trials = file.execute("SELECT trial_id, number, state FROM trials ORDER BY number").fetchall()
        attributes = file.execute("SELECT trial_id, key, value_json FROM trial_user_attributes").fetchall()
        values = file.execute("SELECT trial_id, value, value_type FROM trial_values ORDER BY objective").fetchall()
        reports = file.execute(
            "SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values"
        ).fetchall()
    user_attrs: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    objectives: defaultdict[int, list[float]] = defaultdict(list)
    intermediate: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for trial, key, text in attributes:
        user_attrs[trial][key] = json.loads(text)
    for trial, value, kind in values:
        objectives[trial].append(INFINITIES.get(kind, value))
    for trial, step, value, kind in reports:
        intermediate[trial][step] = INFINITIES.get(kind, value)
    return [
        TrialRow(number, state, objectives[trial], user_attrs[trial], intermediate[trial])
        for trial, number, state in trials
    ]


def to_trial(folder: Path, spec: TuneSpec, row: TrialRow) -> Trial:
    """Convert a row; if Optuna lists the trial as running, it is waiting to be resumed."""
    about = row.user_attrs
    state = "waiting" if row.state in OPEN_STATES else about.get("outcome", "failed")
    losses = losses_of(row)
    done = state == "done"
    confirms = confirmed_by(about)
    loss = about.get("metrics", {}).get("loss") if done else losses.get(max(losses, default=0))
    return Trial(
        number=row.number,
        state=state,
        run=trial_folder(folder, row.number, confirms),
        config=about.get("config", {}),
        epoch=max(losses, default=0),
        epochs=about.get("epochs", 0),
        loss=loss if state in ("done", "pruned", "waiting") else None,
        objective=row.values[0] if done and spec.objective != "pareto" and row.values else None,
        parameters=about.get("parameters"),
        metrics=about.get("metrics", {}),
        seconds=about.get("seconds", 0.0),
        attempts=about.get("attempts", 1),
        reason=about.get("reason", ""),
        start=about.get("start", ""),
        confirms=confirms,
        latency=about.get("latency"),
    )


def check_trial(trial: Trial) -> None:
    """Raise ValueError if a value of a trial has another type than the zoo writes."""
    numbers = [trial.seconds, trial.loss, trial.objective, trial.latency, *trial.metrics.values()]
    counts = [trial.number, trial.epoch, trial.epochs, trial.attempts, trial.parameters]
    fine = (
        trial.state in KNOWN_STATES
        and all(value is None or type(value) in (int, float) for value in numbers)
        and all(value is None or (type(value) is int and 0 <= value < 2**63) for value in counts)
        and isinstance(trial.reason, str)
        and isinstance(trial.start, str)
        and isinstance(trial.config, dict)
    )
    if not fine:
        raise ValueError(f"trial {trial.number} holds values that the zoo never writes")


def losses_of(row: TrialRow) -> dict[int, float]:
    """Return validation losses by epoch; with several objectives they are in an attribute, not in Optuna's reports."""
    kept: dict[str, Any] = row.user_attrs.get("losses", {})
    return dict(row.intermediate_values) or {int(epoch): loss for epoch, loss in kept.items()}


def confirmed_by(about: dict[str, Any]) -> tuple[int, int] | None:
    """Return number and seed of the trial that a training confirms; None for a trial of a search."""
    if (pair := about.get("confirms")) is None:
        return None
    number, seed = pair
    if type(number) is not int or type(seed) is not int or not 0 <= number < 2**31:
        raise ValueError("a trial confirms what the zoo never writes")
    return number, seed


def trial_folder(folder: Path, number: int, confirms: tuple[int, int] | None = None) -> Path:
    """Return the run folder of a trial, with a short, sortable and portable name."""
    return folder / "trials" / (f"t{number:05d}" if confirms is None else f"t{confirms[0]:05d}-seed{confirms[1]}")
