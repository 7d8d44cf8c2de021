"""The mean of class probabilities at test time: over views of each picture, and over several classifiers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.errors import ZooError
from zoo.core.types import DataInfo
from zoo.core.views import ONE_VIEW, check_views
from zoo.models.base import Classifier, Model

CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
"""Rows and columns, in pixels, by which a picture is shifted: towards each corner."""


def views_of(x: Tensor, views: str) -> Iterator[Tensor]:
    """Yield pictures (N, C, H, W) as they are, then mirrored, shifted, or shifted and mirrored.

    A shift is by one pixel towards each corner; the border is the mirrored picture.
    """
    shifts = [(0, 0), *CORNERS] if "shift" in views else [(0, 0)]
    height, width = x.shape[-2:]
    wide = F.pad(x, (1, 1, 1, 1), "reflect" if min(height, width) > 1 else "replicate") if len(shifts) > 1 else x
    for rows, columns in shifts:
        view = x if (rows, columns) == (0, 0) else wide[..., 1 + rows :, 1 + columns :][..., :height, :width]
        yield view
        if "flip" in views:
            yield view.flip(-1)


def count_views(views: str) -> int:
    """Count the forward passes that views cost."""
    return len(list(views_of(torch.zeros(1, 1, 2, 2), views)))


def mean_of_probabilities(scores: Iterable[Tensor]) -> Tensor:
    """Average class probabilities, given and returned as logarithms (N, K); unnormalised ones are normalised first."""
    normalised = torch.stack([each.float().log_softmax(-1) for each in scores])
    return normalised.logsumexp(0) - math.log(len(normalised))


class Averaged(Classifier):
    """A classifier whose probabilities are the mean over views of each picture."""

    def __init__(self, model: Classifier, views: str) -> None:
        super().__init__(DataInfo.of((1, 1, 1), model.classes))
        self.model, self.views = model, views
        self.eval()

    @property
    def averaging(self) -> str:
        """Name the views, and what the classifier itself averages over."""
        return join_averagings([self.model.averaging, f"{count_views(self.views)} views ({self.views})"])

    def forward(self, x: Tensor) -> Tensor:
        """Compute mean log-probabilities (N, K) of pictures (N, C, H, W) with values 0..1."""
        return mean_of_probabilities(self.model(view) for view in views_of(x, self.views))


class Ensemble(Classifier):
    """Several classifiers as one, whose probabilities are the mean of theirs."""

    def __init__(self, models: Sequence[Classifier], shapes: Sequence[tuple[int, int, int]]) -> None:
        super().__init__(DataInfo.of((1, 1, 1), models[0].classes))
        self.models, self.shapes = nn.ModuleList(models), list(shapes)
        self.eval()

    @property
    def averaging(self) -> str:
        """Count the models, and name what they themselves average over."""
        own = dict.fromkeys(str(model.averaging) for model in self.models)
        return join_averagings([f"{len(self.models)} runs", *own])

    def forward(self, x: Tensor) -> Tensor:
        """Compute mean log-probabilities (N, K) of pictures (N, C, H, W) with values 0..1.

        Raises ZooError if the models take pictures of different shapes.
        """
        if len(set(self.shapes)) > 1:
            raise ZooError("the runs of this ensemble take pictures of different shapes", "call each on its own")
        return mean_of_probabilities(model(x) for model in self.models)


def with_views(model: Model, views: str, name: str) -> Model:
    """Return a classifier that averages over views; the model itself for a single view.

    Raises ZooError for other models; `name` is what the error calls the model.
    """
    check_views(views)
    if views == ONE_VIEW:
        return model
    if not isinstance(model, Classifier):
        raise ZooError(f"{name} is not a classifier, so there are no probabilities to average over views", "drop views")
    return Averaged(model, views)


def join_averagings(parts: Sequence[str]) -> str:
    """Say over what a prediction is averaged, without those parts that are not; empty if it is not averaged."""
    return " and ".join(filter(None, parts))
