"""Who judges a generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from zoo.core.errors import ZooError, did_you_mean
from zoo.data.dataset import Splits
from zoo.models.base import Classifier
from zoo.models.judge import ByClassifier, Judge
from zoo.registry.blame import plugin_errors
from zoo.registry.catalog import catalog
from zoo.registry.entry import Component, Entry
from zoo.registry.layers import read_registry
from zoo.runs.find import find_run
from zoo.runs.run import Run
from zoo.training.callbacks import NotesOnly
from zoo.training.session import Session, cached_classifier, with_fingerprints

Tell = Callable[[str], object]


class Appointed(NamedTuple):
    """A judge and who it is."""

    judge: Judge
    name: str


def appoint(name: str, run: Run, entry: Entry, splits: Splits, place: torch.device, tell: Tell) -> Appointed:
    """The judge of that name for a run: a kind of judge, an entry to train on the pictures once, or a trained run.

    ZooError where it is the network that the run learnt from.
    """
    info = splits.info
    refuse_teacher(run, name)
    if name in catalog().names("judge"):
        plugin, kind = catalog().find("judge", name)
        chosen = Component(kind, plugin, kind.spec(), name)
        with plugin_errors(chosen, "build"):
            return Appointed(kind.build(chosen.spec, info).to(place).eval(), name)
    if name in read_registry(catalog())[0].entries:
        command = f"zoo evaluate {run.path}"
        judge = cached_classifier(
            name, Session(entry, run.path, place, NotesOnly(tell), command, "", prepared=with_fingerprints(splits))
        )
    else:
        judge = found(name)
    refuse_teacher(run, name, judge.record.get("weights_sha256"))
    model = judge.model(place)
    if not isinstance(model, Classifier):
        raise ZooError(f"{judge.path} is no classifier, so it cannot judge", "name a run of one, as --judge runs/cnn-1")
    if judge.info.shape != info.shape:
        raise ZooError(f"{judge.path} takes pictures of {judge.info.shape}, not {info.shape}", "choose another --judge")
    what = f"{judge.entry.model.name} of {judge.record['parameters']:,} parameters, trained on {judge.entry.data.name}"
    return Appointed(ByClassifier(model, knows=judge.info.classes == info.classes), f"{name} ({what})")


def found(name: str) -> Run:
    """The run of that name; ZooError that names what else may judge."""
    try:
        return find_run(name, catalog())
    except ZooError as error:
        if Path(name).exists():
            raise
        names = [*catalog().names("judge"), *read_registry(catalog())[0].entries]
        raise ZooError(f"no judge {name[:80]!r}", did_you_mean(name, names) or "name an entry or a run") from error


def refuse_teacher(run: Run, name: str, weights: str | None = None) -> None:
    """ZooError where a run learnt from the judge, by its name or its weights: the figures would then mean nothing.

    Trained anew on another machine, the teacher has other weights, and is still the teacher.
    """
    teacher = run.record.get("teacher", {})
    if teacher.get("entry") == name or (weights and teacher.get("weights_sha256") == weights):
        raise ZooError(f"{name} was the teacher of {run.path}, so it cannot judge it", "choose another --judge")
