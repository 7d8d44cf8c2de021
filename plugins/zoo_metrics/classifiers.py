"""Metrics of classifiers from log-probabilities (N, K) and labels int64 (N,), both on the CPU."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support
from torch import Tensor

MAX_MATRIX_CLASSES, MAX_CONFUSIONS = 200, 5_000


def per_class(scores: Tensor, labels: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    """Compute precision, recall and F1 of each class, and the mean F1.

    The mean is that of the classes that occur or are predicted. Undefined values are 0.
    """
    true, predicted = labels.numpy(), scores.argmax(1).numpy()
    numbers = list(range(len(classes)))
    columns = precision_recall_fscore_support(true, predicted, labels=numbers, zero_division=0.0)
    rows = {
        name: {
            "accuracy": float(recall),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "pictures": int(count),
        }
        for name, precision, recall, f1, count in zip(classes, *columns, strict=True)
    }
    return {"per_class": rows, "macro_f1": float(f1_score(true, predicted, average="macro", zero_division=0.0))}


def confusion(scores: Tensor, labels: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    """Count pictures (K, K) by true class (rows) and predicted class (columns).

    With more than 200 classes `confusions` lists the most frequent mistakes instead, each as true class, predicted
    class and number of pictures: nearly all cells of the matrix would be 0.
    """
    true, predicted = labels.numpy(), scores.argmax(1).numpy()
    if len(classes) <= MAX_MATRIX_CLASSES:
        return {"confusion": confusion_matrix(true, predicted, labels=list(range(len(classes)))).tolist()}
    wrong = Counter((int(a), int(b)) for a, b in zip(true, predicted, strict=True) if a != b)
    ordered = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return {"confusions": [[*pair, count] for pair, count in ordered[:MAX_CONFUSIONS]]}


def calibration_error(scores: Tensor, labels: Tensor, bins: int) -> dict[str, float]:
    """Average |accuracy - confidence| of the confidence bins (Guo et al. 2017, arXiv:1706.04599).

    Each bin is weighted by its number of pictures.
    """
    confidence, predicted = scores.double().exp().max(1)
    # Bins are open below and closed above, as in the paper.
    index = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64)
    gaps.index_add_(0, index, (predicted == labels).double() - confidence)
    return {"calibration_error": (gaps.abs().sum() / len(labels)).item()}


def reliability(scores: Tensor, labels: Tensor, bins: int) -> list[dict[str, float]]:
    """Return mean confidence, accuracy and number of pictures of bins with equally many pictures, lowest first.

    Most pictures have confidences near 1, so that bins of equal width would be empty or say little (Nguyen and O'Connor
    2015, arXiv:1508.05154).
    """
    confidence, predicted = scores.double().exp().max(1)
    order = confidence.argsort(stable=True)
    parts = order.tensor_split(min(bins, len(order)))
    right = (predicted == labels).double()
    return [
        {"confidence": confidence[rows].mean().item(), "accuracy": right[rows].mean().item(), "pictures": len(rows)}
        for rows in parts
    ]


def top_accuracy(scores: Tensor, labels: Tensor, count: int) -> dict[str, float] | None:
    """Compute the share of pictures whose class is among the `count` likeliest; None with too few classes."""
    if scores.shape[1] <= count:
        return None
    hits = (scores.topk(count, 1).indices == labels[:, None]).any(1)
    return {f"top{count}_accuracy": hits.double().mean().item()}
