"""What a judge takes pictures of two classes at once for, beside pictures put together from real ones."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import Mixed, Seen, Sweep

SEEN = 0.1
"""The probability above which a class counts as seen."""
ERRORS, LEAST = 2, 0.01
"""Standard errors beyond which a difference is none of chance, and the least that matters: a judge that is sure of a
class has errors far smaller than that."""


def mixtures(mixed: Mixed) -> dict[str, float]:
    """`mixture_mass`, the judge's mean probability of the two classes together, and `mixture_both`.

    The latter is the share of pictures in which both classes have a probability above 0.1. With `_real` the same of the
    means of two real pictures, with `_halves` of the left half of one beside the right half of another.
    """
    both = {"mixture_both": mixed.drawn, "mixture_both_real": mixed.overlaid, "mixture_both_halves": mixed.halves}
    mass = {"mixture_mass": mixed.drawn, "mixture_mass_real": mixed.overlaid}
    found = {name: named(seen, mixed.pairs).sum(1).mean().item() for name, seen in mass.items()}
    found |= {name: (named(seen, mixed.pairs) > SEEN).all(1).double().mean().item() for name, seen in both.items()}
    return found | {"mixture_monotone": monotone(mixed.sweep)}


def named(seen: Seen, pairs: Tensor) -> Tensor:
    """Probabilities float64 (N, 2) of the two classes of each picture."""
    assert seen.scores is not None
    return seen.scores.double().exp().gather(1, pairs)


def monotone(sweep: Sweep) -> float:
    """The share of pairs on whose way from the first class to the second the first fades and the second appears.

    Of the second, the mean probability is higher at the end than at the beginning, and from no weight to the next
    lower, by more than 0.01 and 2 standard errors of the difference of pictures from the same noise; of the first the
    opposite.
    """
    found = sweep.scores.double().exp()
    one, other = (found[torch.arange(len(found)), ..., part] for part in sweep.pairs.unbind(1))
    return (rises(other) & rises(-one)).double().mean().item()


def rises(values: Tensor) -> Tensor:
    """Whether each (P, W, S) rises along W as `monotone` says, bool (P,)."""
    whole = beyond(values[:, -1] - values[:, 0])
    falls = beyond(values[:, :-1] - values[:, 1:]).any(1)
    return whole & ~falls


def beyond(differences: Tensor) -> Tensor:
    """Whether the mean of differences (..., S) is above 0 by more than chance, and by so much that it matters."""
    error = differences.std(-1) / differences.shape[-1] ** 0.5
    found: Tensor = differences.mean(-1) > (ERRORS * error).clamp(min=LEAST)
    return found
