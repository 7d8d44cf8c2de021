"""Trials and studies in words, the same on screens and in notebooks."""

from __future__ import annotations

from pathlib import Path

from zoo.figures import figure, short
from zoo.tuning.study import Study, Trial


def about(study: Study, parallel: int) -> list[str]:
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
        f"{parallel} at a time",
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
