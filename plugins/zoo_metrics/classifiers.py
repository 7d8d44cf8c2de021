"""Metrics of classifiers, from log-probabilities (N, K) and labels int64 (N,), both on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support
from torch import Tensor


def per_class(scores: Tensor, labels: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    """Precision, recall and F1 of each class, 0 where undefined, and the mean F1 of the classes that occur."""
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
    """Counts (K, K): rows true, columns predicted."""
    numbers = list(range(len(classes)))
    return {"confusion": confusion_matrix(labels.numpy(), scores.argmax(1).numpy(), labels=numbers).tolist()}


def calibration_error(scores: Tensor, labels: Tensor, bins: int) -> dict[str, float]:
    """The mean over pictures of |accuracy - confidence| of their bin (Guo et al. 2017, arXiv:1706.04599)."""
    confidence, predicted = scores.double().exp().max(1)
    # Bins are open below and closed above, as in the paper.
    index = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64)
    gaps.index_add_(0, index, (predicted == labels).double() - confidence)
    return {"calibration_error": (gaps.abs().sum() / len(labels)).item()}


def top_accuracy(scores: Tensor, labels: Tensor, count: int) -> dict[str, float] | None:
    """The share of pictures whose class is among the best; None with too few classes."""
    if scores.shape[1] <= count:
        return None
    hits = (scores.topk(count, 1).indices == labels[:, None]).any(1)
    return {f"top{count}_accuracy": hits.double().mean().item()}
