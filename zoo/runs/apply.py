"""Apply a trained model to pictures: class probabilities, and features or codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.any_pictures import AnyPictures, picture_batches
from zoo.data.dataset import Pictures
from zoo.data.decode import Recipe
from zoo.data.loader import batches
from zoo.models.base import Classifier, Model
from zoo.models.generator import Generator
from zoo.models.judge import extract_features
from zoo.models.metrics import EVAL_BATCH, autocast_context
from zoo.runs.predictions import Predictions


def class_scores(
    model: Classifier, pictures: Pictures, device: torch.device, autocast: torch.dtype | None = None
) -> Tensor:
    """Compute the log-probabilities of a classifier, float32 (N, K) on the CPU."""
    rows = compute(model, (batch.x for batch in batches(pictures, EVAL_BATCH, device)), device, autocast)
    return torch.cat(list(rows)).float().log_softmax(1).cpu()


def compute(
    function: Callable[[Tensor], Tensor], x: Iterable[Tensor], device: torch.device, autocast: torch.dtype | None
) -> Iterator[Tensor]:
    """Yield the value of a function for each batch of pictures, without gradients."""
    for batch in x:
        with torch.inference_mode(), autocast_context(device, autocast):
            value = function(batch)
        yield value  # outside, since the caller would compute in these modes


def classify(
    model: Model,
    classes: tuple[str, ...],
    pictures: AnyPictures,
    recipe: Recipe,
    device: torch.device,
    autocast: torch.dtype | None,
) -> Predictions:
    """Compute the class probabilities of pictures; ZooError if the model is no classifier."""
    if not isinstance(model, Classifier):
        hint = "`.embed(pictures)` computes the codes of a generator" if isinstance(model, Generator) else ""
        raise ZooError("the model is not a classifier, so it has no classes to predict", hint)
    paths: list[str] = []
    rows = list(compute(model, read(pictures, recipe, device, paths), device, autocast))
    scores = torch.cat(rows).float().log_softmax(1).cpu() if rows else torch.empty(0, len(classes))
    return Predictions(tuple(paths), classes, scores.exp(), model.averaging)


def embed(
    model: Model, pictures: AnyPictures, recipe: Recipe, device: torch.device, autocast: torch.dtype | None
) -> Tensor:
    """Compute features of pictures by a classifier, or codes by a generator, on the CPU; ZooError for other models."""
    rows = list(compute(feature_function(model), read(pictures, recipe, device), device, autocast))
    if not rows:
        raise ZooError("there are no pictures to embed", "give at least one")
    found = torch.cat(rows)
    return (found.float() if found.is_floating_point() else found).cpu()


def feature_function(model: Model) -> Callable[[Tensor], Tensor]:
    """Return the function that computes features or codes; ZooError if the model has neither."""
    if isinstance(model, Generator):
        return model.codes
    if isinstance(model, Classifier):
        return lambda x: extract_features(model, x).vector
    raise ZooError(f"a {type(model).__name__} has neither features nor codes", "use `.model()`")


def read(
    pictures: AnyPictures, recipe: Recipe, device: torch.device, paths: list[str] | None = None
) -> Iterator[Tensor]:
    """Yield batches of pictures on a device; their paths are added to `paths`."""
    for names, x in picture_batches(pictures, recipe, EVAL_BATCH):
        if paths is not None:
            paths += names
        yield x.to(device)
