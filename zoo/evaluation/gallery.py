"""Pictures of two classes at once: drawn under a condition between the two, and put together from real ones."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.drawing import PLAIN, Wish, drawn
from zoo.gallery import Mixed, Seen, Sweep
from zoo.judging.looking import Looking, rows
from zoo.latent import Generator, fixed_draws
from zoo.prior import one

MIXED_CLASSES = 20
"""Classes up to which pairs of them are mixed."""
PAIRS, EACH = 45, 16
"""Pairs at most, and pictures of each."""
SWEPT, WEIGHTS, SHARED = 10, 9, 64
"""Pairs on whose way pictures are drawn at most, places on it, and pictures at each."""


def mixed(model: Generator, looking: Looking, real: Seen, how: Wish) -> Mixed | None:
    """Mixtures of the classes of the real pictures; None of a prior without classes, or of too few or too many."""
    if not model.prior.conditional or real.y is None or real.scores is None or real.scores.shape[1] > MIXED_CLASSES:
        return None
    every = torch.combinations(real.y.bincount().nonzero().flatten())
    if not len(every):
        return None
    some = every[rows(len(every), PAIRS)]
    pairs = some.repeat_interleave(EACH, 0)
    one, other = parts(real, pairs)
    middle = real.x.shape[3] // 2
    halves = torch.cat([one[..., :middle], other[..., middle:]], 3)
    return Mixed(
        pairs,
        looking.at(under(model, between(model, pairs, 0.5, looking.place), looking.place, how), None),
        looking.at((one + other) / 2, None),
        looking.at(halves, None),
        swept(model, looking, some[rows(len(some), SWEPT)], how),
    )


def parts(real: Seen, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """For pairs of classes, int64 (N, 2), a real picture (N, C, H, W) of each of the two; the same ones each time."""
    assert real.y is not None
    order, counts = real.y.argsort(stable=True), real.y.bincount()
    starts = counts.cumsum(0) - counts
    # float64, since a share of float32 times a count may be rounded up to the count itself
    shares = torch.rand(pairs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = order[starts[pairs] + (shares * counts[pairs]).long()].unbind(1)
    return real.x[one], real.x[other]


def between(model: Generator, pairs: Tensor, weight: float, place: torch.device) -> Tensor:
    """Conditions (N, size) with a weight on the second class of each pair, int64 (N, 2), and the rest on the first."""
    first, second = (model.text.labels(part.to(place)) for part in pairs.unbind(1))
    return (1 - weight) * first + weight * second


def under(model: Generator, condition: Tensor, place: torch.device, how: Wish = PLAIN) -> Tensor:
    """Samples float32 (N, C, H, W) on the CPU under conditions (N, size), each from the same noise every time."""
    with fixed_draws(place):
        return drawn(model, one(condition), len(condition), how)


def swept(model: Generator, looking: Looking, pairs: Tensor, how: Wish) -> Sweep:
    """What the judge sees on the way between the classes of pairs, int64 (P, 2)."""
    weights, many = torch.linspace(0, 1, WEIGHTS), pairs.repeat_interleave(SHARED, 0)
    scores = []
    for weight in weights.tolist():
        x = under(model, between(model, many, weight, looking.place), looking.place, how)
        found = looking.at(x, None).scores
        assert found is not None
        scores.append(found.reshape(len(pairs), SHARED, -1))
    return Sweep(pairs, weights, torch.stack(scores, 1))
