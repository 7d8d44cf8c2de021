"""How well probabilities rank pictures: ROC and precision-recall curves, and thresholds for a precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.evaluation.classified import ClassifiedSplit

Floats = NDArray[np.float64]
MAX_CLASSES = 200
"""Most classes whose curves are computed; there are hardly any pictures of each with more."""


@dataclass(frozen=True, eq=False)
class Curve:
    """What is at or above each threshold, for a probability that tells pictures to be found from others.

    Attributes:
        thresholds: The distinct probabilities, highest first, float64 (T,).
        hits: Number of pictures to be found with at least that probability, float64 (T,).
        others: Number of other pictures with at least that probability, float64 (T,).
    """

    thresholds: Floats
    hits: Floats
    others: Floats

    @classmethod
    def of(cls, probability: Floats, wanted: NDArray[np.bool_]) -> Curve:
        """Count, for probabilities (N,) and whether each picture is to be found (N,)."""
        order = np.argsort(-probability, kind="stable")
        ordered = probability[order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # equal ones are above together
        hits = np.cumsum(wanted[order])[last].astype(float)
        return cls(ordered[last], hits, last + 1.0 - hits)

    @property
    def precision(self) -> Floats:
        """Share of the pictures at or above each threshold that are to be found, (T,)."""
        return self.hits / (self.hits + self.others)

    @property
    def recall(self) -> Floats:
        """Share of the pictures to be found that are at or above each threshold, (T,)."""
        return self.hits / max(float(self.hits[-1]), 1.0)

    @property
    def false_positive_rate(self) -> Floats:
        """Share of the other pictures that are at or above each threshold, (T,)."""
        return self.others / max(float(self.others[-1]), 1.0)

    @property
    def average_precision(self) -> float:
        """The mean of the precision over the recall."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())

    @property
    def roc_auc(self) -> float:
        """The area below the ROC curve: how often a picture to be found ranks above another one."""
        return float(np.trapezoid(np.append(0.0, self.recall), np.append(0.0, self.false_positive_rate)))

    @property
    def is_defined(self) -> bool:
        """Whether there are both pictures to be found and others."""
        return bool(self.hits[-1] and self.others[-1])

    def threshold_for(self, precision: float) -> dict[str, float] | None:
        """Return the lowest threshold with a precision, and precision, recall and number of pictures there.

        None if there is none.
        """
        reached = np.flatnonzero(self.precision >= precision)
        if not len(reached) or not self.hits[-1]:
            return None
        at = reached[-1]
        found = {"threshold": self.thresholds[at], "precision": self.precision[at], "recall": self.recall[at]}
        return {name: float(value) for name, value in found.items()} | {
            "pictures": int(self.hits[at] + self.others[at])
        }


def class_curves(found: ClassifiedSplit) -> dict[str, Curve]:
    """Compute the curve of each class against all others; none for over 200 classes, or without pictures."""
    if len(found.classes) > MAX_CLASSES or not len(found):
        return {}
    probabilities, labels = published_probabilities(found), found.labels.numpy()
    return {name: Curve.of(probabilities[:, label], labels == label) for label, name in enumerate(found.classes)}


def confidence_curve(found: ClassifiedSplit) -> Curve:
    """Compute the curve of the probability of the predicted class, which tells right predictions from wrong ones."""
    return Curve.of(published_probabilities(found).max(1), (found.predicted == found.labels).numpy())


def published_probabilities(found: ClassifiedSplit) -> Floats:
    """Return the probabilities (N, K) that predictions and files have, so that thresholds hold for them."""
    probabilities: Floats = found.scores.exp().double().numpy()
    return probabilities


def ranking(curves: dict[str, Curve]) -> dict[str, dict[str, float]]:
    """Return `roc_auc` and `average_precision` of each class that occurs, and is not the only one."""
    return {
        name: {"roc_auc": curve.roc_auc, "average_precision": curve.average_precision}
        for name, curve in curves.items()
        if curve.is_defined
    }


def thresholds(found: ClassifiedSplit, precision: float) -> dict[str, Any]:
    """Find the probability from which predictions have a precision.

    Returns:
        `precision`, the wanted one; `per_class`, for each class its `threshold` and the precision, recall and number of
        pictures there, or None if no threshold has that precision; and `any_class`, the same for the probability of the
        predicted class, whatever that is.
    """
    per_class = {name: curve.threshold_for(precision) for name, curve in class_curves(found).items()}
    return {
        "precision": precision,
        "per_class": per_class,
        "any_class": confidence_curve(found).threshold_for(precision),
    }
