"""Evaluate an ensemble: the mean of the class probabilities of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.errors import DataError, ZooError
from zoo.core.types import DataInfo
from zoo.data.dataset import Pictures
from zoo.models.averaging import Ensemble, mean_of_probabilities, with_views
from zoo.models.base import Classifier
from zoo.models.device import autocast_type
from zoo.registry.blame import model_errors
from zoo.registry.build import build_data
from zoo.registry.data_source import Data
from zoo.registry.entry import Entry
from zoo.registry.kinds import Outputs
from zoo.registry.results import make_result
from zoo.runs.apply import class_scores
from zoo.runs.inputs import check_pictures, run_overrides
from zoo.runs.run import Run

SHAPE_OPTIONS = ("size", "fit", "channels", "max_bad")
"""Options of the data that change how pictures are read, not which ones."""


@dataclass(frozen=True)
class Member:
    """One run of an ensemble: its model, and its scores of the pictures as it reads them."""

    run: Run
    entry: Entry
    model: Classifier
    pictures: Pictures
    scores: Tensor
    """Log-probabilities (N, K), float32 on the CPU."""


def open_members(
    runs: Sequence[Run], overrides: Sequence[str], data: Data | None, split: str, device: torch.device, views: str
) -> list[Member]:
    """Apply each run to its pictures of a split; ZooError if they are no classifiers, or the pictures are not the same.

    Pictures may be read in different sizes and colours.
    """
    members: list[Member] = []
    for run in runs:
        words = run_overrides(run, data, overrides)
        changed = run.with_overrides(words)
        model = with_views(run.calibrated(run.model(device, words)), views, run.label)
        if not isinstance(model, Classifier):
            raise ZooError(f"{run.label} is not a classifier, so it cannot be part of an ensemble")
        splits, _ = build_data(changed.data)
        pictures: Pictures = getattr(splits, split)
        check_pictures(run, changed, splits.info, split, pictures)
        if members and not same_pictures(members[0], changed, pictures):
            text = f"{run.label} reads other {split} pictures than {members[0].run.label}"
            raise DataError(
                text, "the runs of an ensemble need the same data: train both on it, or name it with --data"
            )
        with model_errors(changed, "evaluation"):
            scores = class_scores(model, pictures, device, autocast_type(device, changed.train.precision))
        members.append(Member(run, changed, model, pictures, scores))
    return members


def same_pictures(member: Member, entry: Entry, pictures: Pictures) -> bool:
    """Return whether an entry reads the same pictures as a member, perhaps in another size or in other colours."""
    if pictures.x.shape == member.pictures.x.shape and pictures.fingerprint() == member.pictures.fingerprint():
        return True
    ours, theirs = (
        {key: value for key, value in each.data.dump().items() if key not in SHAPE_OPTIONS}
        for each in (entry, member.entry)
    )
    return ours == theirs and torch.equal(pictures.y.cpu(), member.pictures.y.cpu())


def ensemble_outputs(members: Sequence[Member]) -> Outputs:
    """Average the members' probabilities."""
    info: DataInfo = members[0].run.info
    model = Ensemble([member.model for member in members], [member.run.info.shape for member in members])
    scores = mean_of_probabilities([member.scores for member in members])
    return Outputs(model, info, members[0].pictures, classifier_means(scores, members[0].pictures.y.cpu()), scores)


def classifier_means(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Compute loss and accuracy from log-probabilities (N, K) and labels, both on the CPU."""
    loss = torch.nn.functional.nll_loss(scores.double(), labels).item()
    return {"loss": loss, "accuracy": (scores.argmax(1) == labels).double().mean().item()}


def describe_members(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """List the runs of an ensemble for its result."""
    return [
        {"run": run.label, "entry": run.entry.name, "parameters": run.record["parameters"]}
        | {"weights_sha256": run.record.get("weights_sha256")}
        for run in runs
    ]


def ensemble_result(runs: Sequence[Run], data: str, evaluation: dict[str, Any]) -> dict[str, Any]:
    """Make the record of a result for a registry file: names and hashes joined by `+`, sizes and times summed."""
    fitted = [run.calibration for run in runs]
    found = [evaluation | ({"calibration": asdict(each)} if each else {}) for each in fitted]
    rows = [make_result(run.entry, data, each, run.record) for run, each in zip(runs, found, strict=True)]
    joined = {key: "+".join(str(row[key]) for row in rows) for key in ("entry", "of")}
    summed = {key: round(sum(row[key] for row in rows), 1) for key in ("parameters", "minutes", "seconds")}
    if any("calibration_temperature" in row for row in rows):
        joined["calibration_temperature"] = "+".join(str(row.get("calibration_temperature", 1)) for row in rows)
    return rows[0] | joined | summed
