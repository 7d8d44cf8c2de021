"""Judges, the networks whose features and scores metrics of generators use, and features of a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from zoo.models.base import Classifier


class Features(NamedTuple):
    """Feature maps, feature vector and scores from one pass through a classifier.

    Args:
        maps: Output of the last layer at each resolution, (N, C, H, W) each, finest first.
        vector: Input of the last linear layer, (N, D); without such a layer the mean of the coarsest map.
        scores: Unnormalised log-probabilities (N, K).
    """

    maps: tuple[Tensor, ...]
    """Output of the last layer at each resolution, (N, C, H, W) each, finest first."""
    vector: Tensor
    """Input of the last linear layer, (N, D); without such a layer the mean of the coarsest map."""
    scores: Tensor
    """(N, K), unnormalised log-probabilities."""


def extract_features(model: Classifier, x: Tensor) -> Features:
    """Compute a classifier's features of pictures, for any architecture.

    Gradients pass through, so the features can be part of a loss.

    Args:
        model: The classifier.
        x: Pictures (N, C, H, W) with values 0..1.

    Returns:
        Feature maps, feature vector and scores.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from zoo import DataInfo
        >>> from zoo.models import Classifier, extract_features
        >>> class Small(Classifier):
        ...     def __init__(self, info):
        ...         super().__init__(info)
        ...         self.net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Flatten(), nn.Linear(48, 2))
        ...     def logits(self, x):
        ...         return self.net(x)
        >>> found = extract_features(Small(DataInfo.of((1, 4, 4), ("cat", "dog"))), torch.rand(5, 1, 4, 4))
        >>> [tuple(each.shape) for each in found.maps], tuple(found.vector.shape)
        ([(5, 3, 4, 4)], (5, 48))
    """
    with record_features(model) as (maps, vectors):
        scores = model(x)
    found = tuple(maps.values())
    vector = vectors[-1] if vectors else found[-1].mean((2, 3))
    return Features(found, vector.flatten(1), scores)


@contextmanager
def record_features(model: nn.Module) -> Iterator[tuple[dict[tuple[int, ...], Tensor], list[Tensor]]]:
    """Record the last map at each resolution and the inputs of linear layers, in forward passes within the block."""
    maps: dict[tuple[int, ...], Tensor] = {}
    vectors: list[Tensor] = []

    def keep_map(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            maps[tuple(output.shape[2:])] = output

    def keep_vector(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        vectors.append(inputs[0])

    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                stack.enter_context(module.register_forward_pre_hook(keep_vector))
            elif not any(module.children()):
                stack.enter_context(module.register_forward_hook(keep_map))
        yield maps, vectors


class JudgeOutput(NamedTuple):
    """Features and class scores of pictures by a judge.

    Args:
        features: Features (N, D).
        scores: Log-probabilities (N, K) of the classes of the data; None if the judge does not know them.
    """

    features: Tensor
    """(N, D)"""
    scores: Tensor | None
    """Log-probabilities (N, K) of the classes of the data; None if the judge does not know them."""


class Judge(nn.Module):
    """Base class of judges: networks that compute features of pictures, and perhaps their classes.

    Example:
        >>> import torch
        >>> from zoo.models import Judge, JudgeOutput
        >>> class Pixels(Judge):
        ...     def forward(self, x):
        ...         return JudgeOutput(x.flatten(1), None)
        >>> tuple(Pixels()(torch.rand(2, 1, 4, 4)).features.shape)
        (2, 16)
    """

    def forward(self, x: Tensor) -> JudgeOutput:
        """Compute the features and class scores of pictures.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Features (N, D), and log-probabilities (N, K) or None.
        """
        raise NotImplementedError


class ByClassifier(Judge):
    """A classifier of the zoo as a judge, whose features are the inputs of its last linear layer."""

    def __init__(self, classifier: Classifier, *, knows: bool) -> None:
        super().__init__()
        self.classifier, self.knows = classifier, knows

    def forward(self, x: Tensor) -> JudgeOutput:
        """Compute the features and class scores of pictures (N, C, H, W) with values 0..1."""
        found = extract_features(self.classifier, x)
        return JudgeOutput(found.vector, found.scores.float().log_softmax(1) if self.knows else None)
