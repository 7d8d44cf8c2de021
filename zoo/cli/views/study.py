"""The results of a study, as tables and as JSON."""

from __future__ import annotations

from typing import Any

from zoo.cli.console import Screen
from zoo.core.spec import yaml_scalar
from zoo.display.format import format_duration, format_value
from zoo.tuning.gain import Confirmation, confirmations, gain_document, gain_lines
from zoo.tuning.study import (
    FAILED_STATES,
    FAILURE_HEADS,
    Study,
    Trial,
    failure_rows,
    front_table,
    headline,
    short_path,
    trial_label,
)

JSON_STATES = {
    "completed": "done",
    "pruned": "pruned",
    "refused": "refused",
    "running": "running",
    "waiting": "waiting",
}
JSON_CAUSES = {"diverged": "diverged", "oom": "oom", "crashed": "crashed", "hung": "hung", "raised": "failed"}
"""JSON names of the states in which a trial failed; in JSON `failed` counts all of them."""


def show_study(screen: Screen, study: Study, confirm: bool = False) -> None:
    """Print the results of a study; `confirm`: whether trainings with more seeds were asked for."""
    counts = ", ".join(f"{count} {state}" for state, count in study.counts.items())
    screen.line(
        f"{short_path(study.path)}: {study.state}, {study.ended} of {study.spec.trials} trials ({counts or 'none'})"
    )
    best = study.best
    if best:
        others = {key: value for key, value in best.metrics.items() if key not in ("loss", study.spec.objective)}
        figures = [*headline(study, best), *(f"{key} {format_value(value)}" for key, value in others.items())]
        ending = f"{best.epoch} epochs in {format_duration(best.seconds)}"
        screen.line(f"best {trial_label(best)}: {', '.join([*figures, ending])}; run {short_path(best.run)}")
        screen.line()
        screen.table(["option", "value"], [(key, format_option(value)) for key, value in best.config.items()])
        screen.line()
        heads, rows, right = front_table(study, best)
        screen.table(heads, rows, right=right)
    show_failures(screen, study)
    show_gain(screen, study, confirm)
    if study.removed_note:
        screen.note(study.removed_note)


def show_gain(screen: Screen, study: Study, confirm: bool) -> None:
    """Print what the search gained over the entry, and how that compares with the noise of seeds."""
    if found := confirmations(study):
        screen.line()
        heads = ["trial", f"mean {found[0].figure}", "std", "seeds", "values"]
        screen.table(heads, [confirmation_row(study, each) for each in found], right=[1, 2, 3])
    if lines := list(gain_lines(study, confirm)):
        screen.line()
    for line in lines:
        screen.line(line)


def confirmation_row(study: Study, each: Confirmation) -> list[str]:
    """Table row of a trial that was trained with more seeds."""
    label = trial_label(each.trial) + (" (the entry)" if each.trial is study.baseline else "")
    values = ", ".join(map(format_value, each.values))
    spread = "" if each.std is None else format_value(each.std)
    return [label, format_value(each.mean), spread, str(len(each.values)), values]


def show_failures(screen: Screen, study: Study) -> None:
    """Print why trials failed or were refused, with the first reason of each cause."""
    if rows := failure_rows(study):
        screen.line()
        screen.table(FAILURE_HEADS, rows, right=[1])


def format_option(value: Any) -> str:
    """Format an option's value; numbers with few digits, as in the table of trials."""
    return format_value(value) if isinstance(value, float) else yaml_scalar(value)


def study_document(study: Study) -> dict[str, Any]:
    """Describe the results of a study for JSON."""
    counts = study.counts
    trials = {name: counts.get(state, 0) for name, state in (JSON_STATES | JSON_CAUSES).items()}
    trials["failed"] = sum(counts.get(state, 0) for state in FAILED_STATES)
    best = study.best
    return {
        "study": short_path(study.path),
        "entry": study.entry["name"],
        "data": study.entry["data"]["kind"],
        "state": study.state,
        "trials": trials,
        "best": None if best is None else trial_document(best),
        "entry_trial": None if study.baseline is None else trial_document(study.baseline),
        "gain": gain_document(study),
        "confirmed": [each.to_dict() for each in confirmations(study)],
        "front": [trial_document(trial) for trial in study.front],
        "failures": [
            failure_document(trial) for trial in (*study.trials, *study.confirmed) if trial.state in FAILED_STATES
        ],
        "files": [],
    }


def trial_document(trial: Trial) -> dict[str, Any]:
    """Describe a finished trial for JSON."""
    kept = {key: getattr(trial, key) for key in ("number", "objective", "metrics", "loss", "parameters", "config")}
    latency = {} if trial.latency is None else {"latency_ms": trial.latency}
    return {"run": short_path(trial.run), **kept, "epochs": trial.epoch, "seconds": round(trial.seconds, 3), **latency}


def failure_document(trial: Trial) -> dict[str, Any]:
    """Describe a failed trial for JSON; a training with another seed has the number of its trial, and the seed."""
    about = {key: getattr(trial, key) for key in ("number", "state", "reason", "attempts", "config")}
    if trial.confirms:
        about |= dict(zip(("number", "seed"), trial.confirms, strict=True))
    return {"run": short_path(trial.run), **about}
