"""Metrics from a judge's classification of samples, reconstructions, edits and mixtures."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import EditedImages, Gallery, JudgedImages, MixedImages, Sweep


def judge_figures(gallery: Gallery) -> dict[str, float] | None:
    """Compute figures from the judge's log-probabilities; None if the judge does not predict these classes.

    `judge_right` is the share of samples that the judge assigns to their prompted class, and
    `judge_right_reconstructions` the same for reconstructions; neither can be expected to exceed `judge_accuracy`, that
    of real pictures. `judge_confidence` is the mean probability of the likeliest class and `judge_entropy` the mean
    entropy in nats; with `_real` they are those of real pictures. For samples without a class, `judge_diversity` is
    their effective number of classes, divided by that of real pictures.
    """
    real, generated = gallery.real, gallery.samples
    if real.scores is None or generated.scores is None:
        return None
    shares = {"judge_accuracy": real, "judge_right": generated, "judge_right_reconstructions": gallery.reconstructions}
    found = {name: share for name, images in shares.items() if (share := share_correct(images)) is not None}
    for scores, name in ((generated.scores, ""), (real.scores, "_real")):
        found[f"judge_confidence{name}"] = mean_confidence(scores)
        found[f"judge_entropy{name}"] = entropy(scores.double().exp()).mean().item()
    if generated.y is None:
        found["judge_diversity"] = class_perplexity(generated.scores) / class_perplexity(real.scores)
    return found


def share_correct(images: JudgedImages) -> float | None:
    """Compute the share of pictures whose likeliest class is their own; None without classes."""
    if images.y is None or images.scores is None:
        return None
    return (images.scores.argmax(1) == images.y).double().mean().item()


def mean_confidence(scores: Tensor) -> float:
    """Average the probability of the likeliest class, from log-probabilities (N, K)."""
    return scores.double().exp().amax(1).mean().item()


def class_perplexity(scores: Tensor) -> float:
    """Compute the perplexity of the mean class distribution, from log-probabilities (N, K)."""
    return entropy(scores.double().exp().mean(0)).exp().item()


def entropy(shares: Tensor) -> Tensor:
    """Compute the entropy (...) in nats of distributions (..., K)."""
    terms: Tensor = torch.special.entr(shares)
    return terms.sum(-1)


def edit_figures(edited: EditedImages) -> dict[str, float]:
    """Compute figures of real pictures that were edited to show another class.

    `edit_right` is the share that the judge assigns to the new class, and `edit_right_from_none` the same if the prior
    was not given the old class. `edit_correlation` is the correlation of the mean value of a picture between source and
    edit, and `edit_correlation_fresh` that between source and a new sample of the same class, which is about 0.
    `edit_same` is the largest difference between a picture edited to its own class and its reconstruction, which is the
    rounding error.
    """
    shares = {"edit_right": edited.edited, "edit_right_from_none": edited.uninformed}
    found = {name: share for name, images in shares.items() if (share := share_correct(images)) is not None}
    source = edited.source.x
    return found | {
        "edit_correlation": correlation(mean_value(source), mean_value(edited.edited.x)),
        "edit_correlation_fresh": correlation(mean_value(source), mean_value(edited.fresh.x)),
        "edit_same": (edited.round_trip - edited.reconstructions).abs().max().item(),
    }


def mean_value(x: Tensor) -> Tensor:
    """Compute the mean value float64 (N,) of each picture (N, C, H, W)."""
    return x.double().mean((1, 2, 3))


def correlation(one: Tensor, other: Tensor) -> float:
    """Compute Pearson's correlation of numbers (N,); NaN if either does not vary."""
    found: Tensor = torch.corrcoef(torch.stack([one, other]))
    return found[0, 1].item()


MIN_PROBABILITY = 0.1
"""The probability above which a picture counts as showing a class."""
STANDARD_ERRORS, MIN_DIFFERENCE = 2, 0.01
"""Smallest difference that counts, in standard errors and as a probability; the latter is for confident judges, whose
standard errors are far smaller."""


def mixture_figures(mixed: MixedImages) -> dict[str, float]:
    """Compute `mixture_mass`, the mean probability of the two classes together, `mixture_both` and `mixture_monotone`.

    `mixture_both` is the share of pictures in which both classes have a probability above 0.1. With the suffix `_real`
    they are those of averages of two real pictures, with `_halves` those of the left half of one real picture next to
    the right half of another.
    """
    both = {"mixture_both": mixed.samples, "mixture_both_real": mixed.overlaid, "mixture_both_halves": mixed.halves}
    mass = {"mixture_mass": mixed.samples, "mixture_mass_real": mixed.overlaid}
    found = {name: pair_probabilities(images, mixed.pairs).sum(1).mean().item() for name, images in mass.items()}
    found |= {
        name: (pair_probabilities(images, mixed.pairs) > MIN_PROBABILITY).all(1).double().mean().item()
        for name, images in both.items()
    }
    return found | {"mixture_monotone": monotone(mixed.sweep)}


def pair_probabilities(images: JudgedImages, pairs: Tensor) -> Tensor:
    """Select the probabilities float64 (N, 2) of the two classes of each picture."""
    assert images.scores is not None
    return images.scores.double().exp().gather(1, pairs)


def monotone(sweep: Sweep) -> float:
    """Compute the share of pairs for which a sweep of weights from one class to the other is monotone.

    The mean probability of the second class must be higher at the end than at the start, and must not fall from any
    weight to the next; that of the first class must do the opposite. Only differences above 0.01 and above 2 standard
    errors, between pictures from the same noise, count.
    """
    found = sweep.scores.double().exp()
    one, other = (found[torch.arange(len(found)), ..., part] for part in sweep.pairs.unbind(1))
    return (rises(other) & rises(-one)).double().mean().item()


def rises(values: Tensor) -> Tensor:
    """Whether each row of values (P, W, S) rises along W, by the criterion of `monotone`: bool (P,)."""
    whole = is_clearly_positive(values[:, -1] - values[:, 0])
    falls = is_clearly_positive(values[:, :-1] - values[:, 1:]).any(1)
    return whole & ~falls


def is_clearly_positive(differences: Tensor) -> Tensor:
    """Whether the mean of differences (..., S) is significantly above 0, and by at least MIN_DIFFERENCE."""
    error = differences.std(-1) / differences.shape[-1] ** 0.5
    found: Tensor = differences.mean(-1) > (STANDARD_ERRORS * error).clamp(min=MIN_DIFFERENCE)
    return found
