"""Trials and studies in words, the same on screens and in notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.figures import clock, figure, short

if TYPE_CHECKING:
    from zoo.tuning.study import Study, Trial

STUDY_HEADS = ("study", "entry", "data", "state", "trials", "best", "parameters", "run")
STUDY_RIGHT = (4, 6)
TRIAL_HEADS = ("trial", "state", "loss", "epoch", "parameters", "time")
FAILURE_HEADS = ("cause", "trials", "first", "reason")
IN_WORDS = {"oom": "out of memory", "failed": "an error"}


def about(study: Study, parallel: int | None = None) -> list[str]:
    """What a study is, most important first."""
    spec = study.spec
    size = [] if spec.max_params is None else [f"at most {short(spec.max_params)} parameters"]
    bound = "" if spec.bound is None else f" with loss <= {spec.bound:g}"
    what = f"{study.entry['name']} on {study.entry['data']['kind']}"
    return [
        what,
        place(study.path),
        f"{spec.trials} trials",
        f"objective {spec.objective}{bound}",
        *([] if parallel is None else [f"{parallel} at a time"]),
        *size,
    ]


def place(path: Path) -> str:
    """A path as people write it: below the working directory without that."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def label(trial: Trial) -> str:
    """The name of a trial's folder."""
    return f"t{trial.number:05d}"


def progress(trial: Trial) -> str:
    """How far a trial is."""
    return f"epoch {trial.epoch}/{trial.epochs}" if trial.epochs else "not begun"


def reached(trial: Trial) -> list[str]:
    """Loss and size, as far as they are known."""
    loss = [] if trial.loss is None else [f"loss {figure(trial.loss)}"]
    return loss + ([] if trial.parameters is None else [f"{trial.parameters:,} parameters"])


def headline(study: Study, trial: Trial) -> list[str]:
    """What a trial reached, with what the study compares first."""
    objective = study.spec.objective
    if objective == "fewest-parameters":
        return reached(trial)[::-1]
    named = [] if objective == "loss" or trial.objective is None else [f"{objective} {figure(trial.objective)}"]
    return named + reached(trial)


def drawn(study: Study, trial: Trial) -> list[str]:
    """What was drawn for a trial, without what all trials have in common."""
    everywhere = [other.config for other in study.trials if other.config]
    told = [key for key, value in trial.config.items() if any(config.get(key) != value for config in everywhere)]
    ends = [key.rpartition(".")[2] for key in trial.config]
    names = {key: end if ends.count(end) == 1 else key for key, end in zip(trial.config, ends, strict=True)}
    return [f"{names[key]}={figure(trial.config[key])}" for key in told or trial.config]


def study_row(study: Study) -> list[str]:
    """A study in a line."""
    best = study.best
    reached = headline(study, best) if best else []
    size = "" if best is None or best.parameters is None else f"{best.parameters:,}"
    figures = [part for part in reached if not part.endswith(" parameters")]
    trials = f"{study.ended}/{study.spec.trials}"
    what = [study.name, str(study.entry["name"]), str(study.entry["data"]["kind"]), study.state, trials]
    return [*what, figures[0] if figures else "", size, place(best.run) if best else ""]


def trial_row(trial: Trial, written_out: bool) -> list[str]:
    """A row of the table, in the order of TRIAL_HEADS."""
    loss = "" if trial.loss is None else figure(trial.loss)
    epoch = f"{trial.epoch}/{trial.epochs}" if trial.epochs else ""
    size = "" if trial.parameters is None else f"{trial.parameters:,}" if written_out else short(trial.parameters)
    pace = f"{trial.seconds / trial.epoch:.3g} s/ep" if trial.epoch else ""
    seconds = pace if trial.live else clock(trial.seconds)
    return [label(trial), trial.state, loss, epoch, size, seconds]


def failure_rows(study: Study) -> list[list[object]]:
    """Why trials failed or were refused, with the first reason of each cause, in a table with FAILURE_HEADS."""
    return [
        [IN_WORDS.get(state, state), len(trials), label(trials[0]), trials[0].reason]
        for state, trials in study.causes.items()
    ]


def front_table(study: Study, best: Trial) -> tuple[list[str], list[list[str]], range]:
    """The models that no other beats in both loss and parameters: heads, rows, and the columns of numbers."""
    named = study.spec.objective not in ("loss", "pareto", "fewest-parameters")
    heads = ["parameters", "loss", *([study.spec.objective] if named else []), "run", ""]
    rows = [
        [
            f"{trial.parameters:,}",
            figure(trial.loss),
            *([figure(trial.objective)] if named else []),
            place(trial.run),
            "best" if trial.number == best.number else "",
        ]
        for trial in study.front
    ]
    return heads, rows, range(2 + named)
