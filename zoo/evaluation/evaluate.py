"""Evaluation: a model's own metrics over a split, its outputs, and what the metric plugins make of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.augment import batches
from zoo.catalog import Catalog
from zoo.data import Pictures
from zoo.errors import one_line
from zoo.gallery import Gallery
from zoo.kinds import DataInfo
from zoo.model import Batch, Classifier, Model

SIZE = 250


@dataclass(frozen=True)
class Outputs:
    """What a model says of a split; metric plugins compute from it."""

    model: Model
    info: DataInfo
    pictures: Pictures
    means: dict[str, float]
    """The model's own metrics, means over all pictures."""
    scores: Tensor | None
    """Log-probabilities (N, K), float32 on the CPU, of a classifier; None of other models."""
    gallery: Gallery | None = None
    """Of a generator: what it makes, as a judge sees it; None of other models, or where nobody judges."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,) on the CPU."""
        return self.pictures.y.cpu()


def means(model: Model, source: Iterable[Batch], autocast: torch.dtype | None = None) -> dict[str, float]:
    """The model's metrics averaged over all pictures; one synchronisation at the end."""
    sums: dict[str, Tensor] = {}
    total = 0
    with torch.inference_mode():
        for batch in source:
            with lower(batch.x.device, autocast):
                found = model.metrics(batch)
            for name, value in found.items():
                part = value.double() * len(batch.y) if value.device.type != "mps" else value * len(batch.y)
                sums[name] = sums[name] + part if name in sums else part
            total += len(batch.y)
    return {name: value.item() / total for name, value in sums.items()}


def lower(device: torch.device, autocast: torch.dtype | None) -> Any:
    """Autocast to the type, or nothing."""
    return nullcontext() if autocast is None else torch.autocast(device.type, autocast)


def outputs(
    model: Model, pictures: Pictures, info: DataInfo, device: torch.device, autocast: torch.dtype | None = None
) -> Outputs:
    """Run a model over pictures; loss and accuracy of a classifier come from its scores.

    One that has metrics of its own is run a second time for them.
    """
    model.eval()
    scores = class_scores(model, pictures, device, autocast) if isinstance(model, Classifier) else None
    if scores is None or type(model).metrics is not Classifier.metrics:
        return Outputs(model, info, pictures, means(model, batches(pictures, SIZE, device), autocast), scores)
    labels = pictures.y.cpu()
    loss = torch.nn.functional.nll_loss(scores.double(), labels).item()
    accuracy = (scores.argmax(1) == labels).double().mean().item()
    return Outputs(model, info, pictures, {"loss": loss, "accuracy": accuracy}, scores)


def class_scores(
    model: Classifier, pictures: Pictures, device: torch.device, autocast: torch.dtype | None = None
) -> Tensor:
    """Log-probabilities (N, K), float32 on the CPU."""
    rows = []
    with torch.inference_mode():
        for batch in batches(pictures, SIZE, device):
            with lower(device, autocast):
                rows.append(model(batch.x))
    return torch.cat(rows).float().log_softmax(1).cpu()


def compute_metrics(catalog: Catalog, found: Outputs) -> dict[str, Any]:
    """The figures under `metrics`, and what is more than a figure (per class, confusion) under its own name."""
    result: dict[str, Any] = {"metrics": dict(found.means)}
    for name in catalog.names("metric"):
        giver = ""
        try:
            plugin, kind = catalog.find("metric", name)
            giver = f" of {plugin}"
            figures = dict(kind.compute(kind.spec(), found) or {})
        except Exception as error:  # one plugin's mistake must not cost the other figures
            text = f"metric {name!r}{giver} failed: {type(error).__name__}: {error}"
            result.setdefault("problems", []).append(one_line(text))
            continue
        for key, value in figures.items():
            (result["metrics"] if isinstance(value, int | float) else result)[key] = value
    return result
