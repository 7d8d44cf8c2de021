"""Prediction: picture files brought to the shape that a run was trained on, and what its model says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data import Pictures
from zoo.errors import ZooError
from zoo.evaluation import class_scores
from zoo.model import Classifier
from zoo.pictures import Picture, Recipe, bounded, decode
from zoo.picturespec import PictureSpec, picture_files
from zoo.runs import Run
from zoo.training.device import autocast_type, choose_device


class Predicted(NamedTuple):
    """The most probable class of a picture."""

    path: str
    label: str
    probability: float


class Skipped(NamedTuple):
    """A path that gave no prediction."""

    path: str
    reason: str


class Prediction(NamedTuple):
    """What `predict` found, both in the order of the paths."""

    predictions: list[Predicted]
    skipped: list[Skipped]


def predict_files(run: Run, paths: Iterable[Path], device: str = "auto") -> Prediction:
    """Class and probability of picture files, and of all pictures in folders; what cannot be read is listed."""
    place = choose_device(device)
    model = run.model(place)
    if not isinstance(model, Classifier):
        raise ZooError(f"{run.path} is not a classifier, so it has no classes to predict")
    autocast = autocast_type(place, run.entry.train.precision)
    found, shape = Prediction([], []), recipe(run)
    files = expand(paths, found.skipped)
    while chunk := list(islice(files, shape.chunk)):
        read = decoded(chunk, shape, found.skipped)
        if not read:
            continue
        pictures = Pictures.of(np.stack([picture for _, picture in read]), [0] * len(read))
        best = class_scores(model, pictures, place, autocast).exp().max(1)
        for (path, _), probability, label in zip(read, best.values.tolist(), best.indices.tolist(), strict=True):
            found.predictions.append(Predicted(str(path), run.info.classes[label], probability))
    return found


def recipe(run: Run) -> Recipe:
    """The run's shape; another aspect ratio is made to fit as its data says, else by cutting to the middle."""
    channels, height, width = run.info.shape
    if channels not in {1, 3}:
        raise ZooError(f"{run.path} takes {channels} channels; picture files have 1 or 3")
    spec = run.entry.data.spec
    fit = spec.fit if isinstance(spec, PictureSpec) else "crop"
    return Recipe(height, width, channels, fit, same_size=False, all_grey=False)


def decoded(paths: Iterable[Path], shape: Recipe, skipped: list[Skipped]) -> list[tuple[Path, Picture]]:
    """The pictures (H, W, C) that can be read; the others are listed."""
    read = []
    with bounded():
        for path in paths:
            picture = decode(str(path), path, shape)
            if isinstance(picture, str):
                skipped.append(Skipped(str(path), picture))
            else:
                read.append((path, picture))
    return read


def expand(paths: Iterable[Path], skipped: list[Skipped]) -> Iterator[Path]:
    """Files as they are given, and the pictures in folders."""
    for path in paths:
        found = picture_files(path) if path.is_dir() else iter([path])
        first = next(found, None)
        if first is None:
            skipped.append(Skipped(str(path), "a folder without pictures"))
            continue
        yield first
        yield from found
