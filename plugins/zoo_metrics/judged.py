"""What a judge takes samples and reconstructions for, beside what it takes real pictures for."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import EditedImages, Gallery, JudgedImages, MixedImages, Sweep


def verdict(gallery: Gallery) -> dict[str, float] | None:
    """Figures from the judge's log-probabilities; None where it does not know the classes.

    `judge_accuracy` on real pictures is the most that `judge_right`, the share of samples taken for what they were
    drawn for, and `judge_right_reconstructions` can be expected to be. `judge_confidence` is the mean probability of
    the likeliest class and `judge_entropy` the mean entropy in nats, with `_real` those of real pictures. Where samples
    are drawn for no class, `judge_diversity` is among how many classes they fall, over the same of real pictures.
    """
    real, drawn = gallery.real, gallery.samples
    if real.scores is None or drawn.scores is None:
        return None
    shares = {"judge_accuracy": real, "judge_right": drawn, "judge_right_reconstructions": gallery.reconstructions}
    found = {name: share for name, seen in shares.items() if (share := right(seen)) is not None}
    for scores, name in ((drawn.scores, ""), (real.scores, "_real")):
        found[f"judge_confidence{name}"] = confidence(scores)
        found[f"judge_entropy{name}"] = entropy(scores.double().exp()).mean().item()
    if drawn.y is None:
        found["judge_diversity"] = classes(drawn.scores) / classes(real.scores)
    return found


def right(seen: JudgedImages) -> float | None:
    """The share of pictures whose likeliest class is their own; None where they have none."""
    if seen.y is None or seen.scores is None:
        return None
    return (seen.scores.argmax(1) == seen.y).double().mean().item()


def confidence(scores: Tensor) -> float:
    """The mean probability of the likeliest class, from scores (N, K)."""
    return scores.double().exp().amax(1).mean().item()


def classes(scores: Tensor) -> float:
    """Among how many classes pictures fall: the perplexity of the mean of their distributions, from scores (N, K)."""
    return entropy(scores.double().exp().mean(0)).exp().item()


def entropy(shares: Tensor) -> Tensor:
    """Nats (...) of distributions (..., K)."""
    terms: Tensor = torch.special.entr(shares)
    return terms.sum(-1)


def edits(edited: EditedImages) -> dict[str, float]:
    """Figures of real pictures that were made into another class.

    `edit_right` is the share that the judge takes for the class that they were made into, and `edit_right_from_none`
    that where the prior was not told the class that they had. `edit_correlation` is the correlation of the mean value
    of a picture, the ink, between source and edit, and `edit_correlation_fresh` that between source and a sample of the
    same class, about 0. `edit_same` is the largest difference between a picture made into the class that it has and
    its reconstruction: rounding.
    """
    shares = {"edit_right": edited.edited, "edit_right_from_none": edited.uninformed}
    found = {name: share for name, seen in shares.items() if (share := right(seen)) is not None}
    source = edited.source.x
    return found | {
        "edit_correlation": correlation(ink(source), ink(edited.edited.x)),
        "edit_correlation_fresh": correlation(ink(source), ink(edited.fresh.x)),
        "edit_same": (edited.round_trip - edited.reconstructions).abs().max().item(),
    }


def ink(x: Tensor) -> Tensor:
    """The mean value float64 (N,) of each picture (N, C, H, W)."""
    return x.double().mean((1, 2, 3))


def correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's, of numbers (N,); NaN where either does not vary."""
    found: Tensor = torch.corrcoef(torch.stack([one, other]))
    return found[0, 1].item()


SEEN = 0.1
"""The probability above which a class counts as seen."""
ERRORS, LEAST = 2, 0.01
"""Standard errors beyond which a difference is none of chance, and the least that matters: a judge that is sure of a
class has errors far smaller than that."""


def mixtures(mixed: MixedImages) -> dict[str, float]:
    """`mixture_mass`, the judge's mean probability of the two classes together, and `mixture_both`.

    The latter is the share of pictures in which both classes have a probability above 0.1. With `_real` the same of the
    means of two real pictures, with `_halves` of the left half of one beside the right half of another.
    """
    both = {"mixture_both": mixed.samples, "mixture_both_real": mixed.overlaid, "mixture_both_halves": mixed.halves}
    mass = {"mixture_mass": mixed.samples, "mixture_mass_real": mixed.overlaid}
    found = {name: named(seen, mixed.pairs).sum(1).mean().item() for name, seen in mass.items()}
    found |= {name: (named(seen, mixed.pairs) > SEEN).all(1).double().mean().item() for name, seen in both.items()}
    return found | {"mixture_monotone": monotone(mixed.sweep)}


def named(seen: JudgedImages, pairs: Tensor) -> Tensor:
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
