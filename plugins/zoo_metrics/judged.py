"""What a judge takes samples and reconstructions for, beside what it takes real pictures for."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import Gallery, Seen


def verdict(gallery: Gallery) -> dict[str, float] | None:
    """Figures from the judge's log-probabilities; None where it does not know the classes.

    `judge_accuracy` on real pictures is the most that `judge_right`, the share of samples taken for what they were
    drawn for, and `judge_right_reconstructions` can be expected to be. `judge_confidence` is the mean probability of
    the likeliest class and `judge_entropy` the mean entropy in nats, with `_real` those of real pictures. Where samples
    are drawn for no class, `judge_diversity` is among how many classes they fall, over the same of real pictures.
    """
    real, drawn = gallery.real, gallery.drawn
    if real.scores is None or drawn.scores is None:
        return None
    shares = {"judge_accuracy": real, "judge_right": drawn, "judge_right_reconstructions": gallery.shown}
    found = {name: share for name, seen in shares.items() if (share := right(seen)) is not None}
    for scores, name in ((drawn.scores, ""), (real.scores, "_real")):
        found[f"judge_confidence{name}"] = confidence(scores)
        found[f"judge_entropy{name}"] = entropy(scores.double().exp()).mean().item()
    if drawn.y is None:
        found["judge_diversity"] = classes(drawn.scores) / classes(real.scores)
    return found


def right(seen: Seen) -> float | None:
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
