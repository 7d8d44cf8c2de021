"""Find the judge of a generator: a judge kind, or the classifier of an entry or a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.notes import Tell
from zoo.data.dataset import Splits
from zoo.models.base import Classifier
from zoo.models.judge import ByClassifier, Judge
from zoo.registry.blame import expect, plugin_errors
from zoo.registry.catalog import catalog
from zoo.registry.entry import Component, Entry
from zoo.registry.listing import load_registry
from zoo.runs.find import find_run
from zoo.runs.run import Run
from zoo.training.prepared import with_fingerprints
from zoo.training.session import cached_classifier


class NamedJudge(NamedTuple):
    """A judge and the name under which results list it."""

    judge: Judge
    name: str


def find_judge(name: str, run: Run, entry: Entry, splits: Splits, device: torch.device, tell: Tell) -> NamedJudge:
    """Find the judge of a name: a judge kind, an entry to train once on the same pictures, or a trained run.

    Raises ZooError if it is the run's own teacher.
    """
    info = splits.info
    refuse_teacher(run, name)
    if name in catalog().names("judge"):
        plugin, kind = catalog().find("judge", name)
        component = Component(kind, plugin, kind.spec(), name)
        with plugin_errors(component, "build"):
            return NamedJudge(expect(kind.build(component.spec, info), Judge).to(device).eval(), name)
    if name in load_registry()[0].entries:
        command = f"zoo evaluate {run.label}"
        judge = cached_classifier(name, entry.data, with_fingerprints(splits), device, tell, command)
        weights = ""
    else:
        judge = find_judge_run(name)
        weights = f", weights {str(judge.record['weights_sha256'])[:8]}"
    refuse_teacher(run, name, judge.record.get("weights_sha256"))
    model = judge.model(device)
    if not isinstance(model, Classifier):
        raise ZooError(
            f"{judge.path} is not a classifier, so it cannot be the judge",
            "give the run of a classifier, e.g. --judge runs/cnn-1",
        )
    if judge.info.shape != info.shape:
        raise ZooError(
            f"{judge.path} takes pictures of shape {judge.info.shape}, not {info.shape}", "choose another --judge"
        )
    description = (
        f"{judge.entry.model.name} of {judge.record['parameters']:,} parameters, trained on {judge.entry.data.name}"
    )
    if judge.shipped:
        description += f", weights {judge.shipped.name} that were shipped"
    else:
        description += weights
    # The folders around a run are left out, since results are read on other machines.
    label = Path(name).name or name
    return NamedJudge(ByClassifier(model, knows=judge.info.classes == info.classes), f"{label} ({description})")


def find_judge_run(name: str) -> Run:
    """Find the run of a judge; the ZooError of an unknown name suggests similar judges."""
    try:
        return find_run(name)
    except ZooError as error:
        if Path(name).exists():
            raise
        names = [*catalog().names("judge"), *load_registry()[0].entries]
        raise ZooError(f"no judge {name[:80]!r}", did_you_mean(name, names) or "give an entry or a run") from error


def refuse_teacher(run: Run, name: str, weights: str | None = None) -> None:
    """Raise ZooError if the run learned from this judge, which would then make the metrics meaningless.

    The teacher is recognised by its name or its weights, which differ if it was trained again on another machine.
    """
    teacher = run.record.get("teacher", {})
    entry = name.partition("@")[0]
    if teacher.get("entry") == entry or (weights and teacher.get("weights_sha256") == weights):
        raise ZooError(f"{name} was the teacher of {run.label}, so it cannot be its judge", "choose another --judge")
