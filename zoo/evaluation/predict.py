"""Predict the classes of picture files with a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from zoo.core.errors import DataError, ZooError
from zoo.core.files import expand_user
from zoo.core.splits import check_split
from zoo.core.views import ONE_VIEW
from zoo.data.dataset import Pictures
from zoo.models.averaging import join_averagings, with_views
from zoo.models.base import Classifier
from zoo.models.device import autocast_type, choose_device
from zoo.registry.data_source import data_overrides
from zoo.runs.apply import class_scores
from zoo.runs.ensemble import Runs, load_runs
from zoo.runs.inputs import Skipped, decode_files, expand_folders, run_overrides, run_recipe
from zoo.runs.predictions import Predictions
from zoo.runs.run import Run


class Predicted(NamedTuple):
    """The most probable class of a picture."""

    path: str
    label: str
    probability: float


class Prediction(NamedTuple):
    """Result of `predict`; both lists are in the order of the paths."""

    predictions: list[Predicted]
    skipped: list[Skipped]

    def __repr__(self) -> str:
        """Describe the prediction in one line."""
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"<Prediction of {len(self.predictions)} pictures{skipped}>"


def predict(
    run: Runs,
    pictures: Sequence[str | Path] = (),
    device: str = "auto",
    data: str | Path | None = None,
    split: str = "test",
    views: str = ONE_VIEW,
) -> Prediction:
    """Predict the classes of picture files.

    Args:
        run: A run of a classifier that is open, its folder, a name below `runs`, an entry or a study. Several, in a
            list or joined by `+`, are an ensemble, whose probabilities are averaged.
        pictures: Picture files, and folders whose pictures are all taken.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        data: A folder whose pictures are all taken as well, or a data kind or Parquet files, of which a split is.
        split: That split of the data: "train", "valid" or "test". Its pictures are called `test:0`, `test:1` and so on.
        views: What probabilities are averaged over: "none", "flip", "shift" or "flip+shift", as in `zoo.evaluate`.

    Returns:
        Path, class and probability of each picture, and the files that cannot be read.

    Raises:
        ZooError: If there is no such run, or its model is not a classifier.

    Example:
        >>> import zoo
        >>> zoo.predict("cnn", ["seven.png"]).predictions[0].label  # doctest: +SKIP
        '7'
    """
    found, skipped = predict_all(run, pictures, device, data, split, views)
    best = found.probabilities.max(1) if len(found) else None
    values = zip(found.paths, found.labels, best.values.tolist() if best else (), strict=True)
    return Prediction([Predicted(*each) for each in values], skipped)


def predict_all(
    run: Runs,
    pictures: Sequence[str | Path] = (),
    device: str = "auto",
    data: str | Path | None = None,
    split: str = "test",
    views: str = ONE_VIEW,
) -> tuple[Predictions, list[Skipped]]:
    """Predict the probabilities of all classes of picture files; the arguments are those of `predict`."""
    runs = load_runs(run, data, pictures)
    found = [predict_one(each, pictures, device, data, split, views) for each in runs]
    first, skipped = found[0]
    if len(found) == 1:
        return first, skipped
    if any(each.paths != first.paths for each, _ in found):
        raise DataError("the runs of the ensemble read different pictures", "check that no file changes meanwhile")
    mean = torch.stack([each.probabilities for each, _ in found]).mean(0)
    own = dict.fromkeys(each.averaging for each, _ in found)
    return Predictions(first.paths, first.classes, mean, join_averagings([f"{len(found)} runs", *own])), skipped


def predict_one(
    run: Run, pictures: Sequence[str | Path], device: str, data: str | Path | None, split: str, views: str
) -> tuple[Predictions, list[Skipped]]:
    """Predict the probabilities of all classes of picture files with one run."""
    pictures, named = split_data(pictures, data)
    torch_device = choose_device(device)
    model = with_views(run.calibrated(run.model(torch_device)), views, run.label)
    if not isinstance(model, Classifier):
        raise ZooError(f"{run.label} is not a classifier, so it has no classes to predict")
    autocast = autocast_type(torch_device, run.entry.train.precision)
    paths, skipped, recipe = list[str](), list[Skipped](), run_recipe(run)
    scores = [torch.empty(0, len(run.info.classes))]
    files = expand_folders(map(expand_user, pictures), skipped)
    while chunk := list(islice(files, recipe.chunk)):
        if read := decode_files(chunk, recipe, skipped):
            batch = Pictures.of(np.stack([picture for _, picture in read]), [0] * len(read))
            scores.append(class_scores(model, batch, torch_device, autocast))
            paths += [str(path) for path, _ in read]
    if named is not None:
        batch = read_split(run, named, split)
        scores.append(class_scores(model, batch, torch_device, autocast))
        paths += [f"{split}:{number}" for number in range(len(batch))]
    return Predictions(tuple(paths), run.info.classes, torch.cat(scores).exp(), model.averaging), skipped


def split_data(pictures: Sequence[str | Path], data: str | Path | None) -> tuple[list[str | Path], str | Path | None]:
    """Return the picture files and folders to read, and the data of which a split is read instead, if any."""
    if data is not None and not splits_of(data):
        return [*pictures, expand_user(data)], None
    return list(pictures), data


def splits_of(data: str | Path) -> bool:
    """Return whether data are read by split, unlike a folder, whose pictures are all taken."""
    return not expand_user(data).is_dir() or data_overrides(data)[0] != "data.kind=folder"


def read_split(run: Run, data: str | Path, split: str) -> Pictures:
    """Read the pictures of a split of other data in the shape that a run takes; DataError if they do not fit."""
    from zoo.registry.build import build_data

    check_split(split)
    splits, _ = build_data(run.with_overrides(run_overrides(run, data, ())).data)
    found: Pictures = getattr(splits, split)
    if splits.info.shape != run.info.shape:
        text = f"{run.label} takes pictures of shape {run.info.shape}; {data} has {splits.info.shape}"
        raise DataError(text, "check the data options")
    if not len(found):
        raise DataError(f"the {split} split of {data} has no pictures", "choose another with --split")
    return found
