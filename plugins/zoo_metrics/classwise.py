"""Samples class by class, beside the real pictures of the class: in the mean over all a class that fails is lost."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from zoo.models import Gallery, Seen
from zoo_metrics.distances import frechet_distances
from zoo_metrics.judged import confidence, right
from zoo_metrics.manifold import figures, radii
from zoo_metrics.sharpness import high_energy, mean


def classwise(gallery: Gallery, names: tuple[str, ...], k: int) -> dict[str, Any] | None:
    """`samples_per_class`: the figures of each class with at least 2 real pictures; None where there are no classes.

    `judge_right` is the share of samples taken for the class, `judge_right_real` that of real pictures, the ceiling;
    `judge_confidence` the mean probability of the likeliest class. `frechet`, `frechet_floor` and `coverage` are as of
    all pictures, but of one class: see `distances`.
    """
    real, drawn, other = gallery.real, gallery.drawn, gallery.other
    if real.y is None or drawn.y is None or real.scores is None or drawn.scores is None:
        return None
    rows = {}
    for label, name in enumerate(names):
        mine, made = of_class(real, label), of_class(drawn, label)
        if min(len(mine.x), len(made.x)) > 1:
            rows[name] = one_class(mine, made, of_class(other, label), k)
    return {"samples_per_class": rows} if rows else None


def of_class(seen: Seen, label: int) -> Seen:
    """The pictures of a class."""
    assert seen.y is not None
    return seen.at(seen.y == label)


def one_class(real: Seen, drawn: Seen, other: Seen, k: int) -> dict[str, float | None]:
    """The figures of one class; None where there are too few pictures for one."""
    assert real.scores is not None and drawn.scores is not None
    apart, floor = distances(real.features, drawn.features, other.features)
    return {
        "judge_right": right(drawn),
        "judge_right_real": right(real),
        "judge_confidence": confidence(drawn.scores),
        "judge_confidence_real": confidence(real.scores),
        "frechet": apart,
        "frechet_floor": floor,
        "coverage": coverage(real.features, drawn.features, k),
        "sharpness": mean(high_energy, drawn.x) / usual if (usual := mean(high_energy, real.x)) else None,
        "pictures": len(real.x),
    }


def distances(real: Tensor, drawn: Tensor, other: Tensor) -> tuple[float | None, float | None]:
    """Frechet distances of drawn and of training features (N, D) from real ones.

    From few pictures, and in many dimensions, it is estimated far too high: with fewer pictures of a class than
    features compare it with the floor alone, never with the distance of all pictures. Hence both are of equally many
    pictures, as many as the smaller set has.
    """
    count = min(len(drawn), len(other))
    if count < 2:
        return None, None
    apart, floor = frechet_distances(real, [drawn[:count], other[:count]])
    return apart, floor


def coverage(real: Tensor, drawn: Tensor, k: int) -> float | None:
    """The share of real features (N, D) with a drawn one nearer than their k-th neighbour; None of too few."""
    if min(len(real), len(drawn)) <= k:
        return None
    return figures(real.double(), radii(real.double(), k), drawn.double(), k)["coverage"]
