"""Let a classifier learn from a trained run (`train.teacher`), which stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from zoo.core.errors import DataError, RunError, ZooError
from zoo.core.notes import Tell
from zoo.core.sections import TrainSpec
from zoo.core.types import DataInfo
from zoo.models.base import Classifier, Model
from zoo.models.distillation import Distillation
from zoo.runs.find import load
from zoo.runs.run import Run
from zoo.training.prepared import Prepared, some_pictures
from zoo.training.probe import losses_call


def distill(
    model: Model,
    spec: TrainSpec,
    prepared: Prepared,
    before: Mapping[str, Any] | None,
    device: torch.device,
    tell: Tell,
) -> dict[str, Any]:
    """Give a classifier the teacher that the options name, and return what to record about it.

    Args:
        model: The model, on the CPU.
        spec: The options.
        prepared: The pictures to train on, with some of which the loss is tried.
        before: The record of the run that is resumed; None for a new run.
        device: Where the training runs.
        tell: Called with one line about the teacher.

    Returns:
        The entry `distill` of the record; empty without a teacher.

    Raises:
        ZooError: If there is no such run, or the model cannot learn from it.
        DataError: If the teacher has changed since the run that is resumed began.
    """
    if spec.teacher is None:
        return {}
    kept = None if before is None else before.get("distill") or {}
    run = load(spec.teacher if kept is None else str(kept.get("run")))
    check_teacher(run, model, prepared.splits.info)
    assert isinstance(model, Classifier)
    if not losses_call("distillation", model, some_pictures(prepared.splits, 2)):
        text = f"train.teacher has no effect on {type(model).__name__}, which has a loss of its own"
        raise ZooError(text, "drop train.teacher, or let its `losses` call those of Classifier")
    weights = run.record.get("weights_sha256")
    if kept is not None and kept.get("weights_sha256") != weights:
        raise DataError(f"the weights of {run.label} have changed since this run began to learn from them")
    teacher = run.model(device).requires_grad_(False)
    assert isinstance(teacher, Classifier)
    model.distillation = Distillation(teacher, *spec.distillation)
    temperature, share = spec.distillation
    about = f"{run.label} ({run.entry.name} on {run.entry.data.name})"
    tell(f"learns from {about}: weight {share:g}, temperature {temperature:g}")
    known = run.record.get("fingerprints", {})
    if any(known.get(split) != prepared.fingerprints.get(split) for split in ("valid", "test")):
        tell(f"{run.label} was trained on other splits, so it may know validation and test pictures of this run")
    name = run.label if run.shipped else str(run.path.absolute())
    return {"distill": {"run": name, "entry": run.entry.name, "weights_sha256": weights}}


def check_teacher(run: Run, model: Model, info: DataInfo) -> None:
    """Raise ZooError if a model cannot learn from a run; RunError if that has not finished."""
    if not isinstance(model, Classifier):
        text = f"train.teacher is for classifiers, and {type(model).__name__} is not one"
        raise ZooError(text, "drop train.teacher")
    if run.state != "done":
        raise RunError(f"{run.label} has not finished, so nothing can learn from it")
    if run.info.classes != info.classes:
        theirs, ours = (", ".join(each.classes) for each in (run.info, info))
        text = f"the teacher {run.label} has the classes {theirs:.100}; the data has {ours:.100}"
        raise ZooError(text, "choose a run with the same classes")
    if run.info.shape != info.shape:
        text = f"the teacher {run.label} takes pictures of shape {run.info.shape}; the data has {info.shape}"
        raise ZooError(text, "choose another teacher, or set data.size and data.channels")
