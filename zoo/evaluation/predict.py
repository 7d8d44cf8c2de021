"""Predict the classes of picture files with a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.core.errors import ZooError
from zoo.data.dataset import Pictures
from zoo.evaluation.evaluate import class_scores
from zoo.models.base import Classifier
from zoo.runs.find import load
from zoo.runs.inputs import Skipped, decode_files, expand_folders, run_recipe
from zoo.runs.run import Run
from zoo.training.device import autocast_type, choose_device


class Predicted(NamedTuple):
    """The most probable class of a picture."""

    path: str
    label: str
    probability: float


class Prediction(NamedTuple):
    """Result of `predict`; both lists are in the order of the paths."""

    predictions: list[Predicted]
    skipped: list[Skipped]


def predict(run: Run | str | Path, pictures: Sequence[str | Path], device: str = "auto") -> Prediction:
    """Predict the classes of picture files.

    Args:
        run: A run of a classifier that is open, its folder, a name below `runs`, an entry or a study.
        pictures: Picture files, and folders whose pictures are all taken.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        Path, class and probability of each picture, and the files that cannot be read.

    Raises:
        ZooError: If there is no such run, or its model is not a classifier.

    Example:
        >>> import zoo
        >>> zoo.predict("cnn", ["seven.png"]).predictions[0].label  # doctest: +SKIP
        '7'
    """
    run = load(run)
    torch_device = choose_device(device)
    model = run.model(torch_device)
    if not isinstance(model, Classifier):
        raise ZooError(f"{run.path} is not a classifier, so it has no classes to predict")
    autocast = autocast_type(torch_device, run.entry.train.precision)
    found, shape = Prediction([], []), run_recipe(run)
    files = expand_folders(map(Path, pictures), found.skipped)
    while chunk := list(islice(files, shape.chunk)):
        read = decode_files(chunk, shape, found.skipped)
        if not read:
            continue
        batch = Pictures.of(np.stack([picture for _, picture in read]), [0] * len(read))
        best = class_scores(model, batch, torch_device, autocast).exp().max(1)
        for (path, _), probability, label in zip(read, best.values.tolist(), best.indices.tolist(), strict=True):
            found.predictions.append(Predicted(str(path), run.info.classes[label], probability))
    return found
