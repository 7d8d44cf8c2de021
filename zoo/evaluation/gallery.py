"""Pictures of two classes at once: drawn under a condition between the two, and put together from real ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.dataset import Pictures
from zoo.data.loader import batches
from zoo.evaluation.judges import Appointed
from zoo.models.base import Model
from zoo.models.gallery import Edited, Gallery, Mixed, Seen, Sweep
from zoo.models.generator import Generator
from zoo.models.judge import Judge
from zoo.models.latent import fixed_draws
from zoo.models.prior import Invertible, single_term
from zoo.models.sampling import DECODE_BATCH, DEFAULT_SAMPLING, SamplingOptions, decode_images, sample_images, to_images
from zoo.runs.run import Run

MIXED_CLASSES = 20
"""Classes up to which pairs of them are mixed."""
PAIRS, EACH = 45, 16
"""Pairs at most, and pictures of each."""
SWEPT, WEIGHTS, SHARED = 10, 9, 64
"""Pairs on whose way pictures are drawn at most, places on it, and pictures at each."""
MAX_SHOWN = 10_000
"""Pictures of each kind that a judge is shown at most."""
MAX_EDITED = 500
"""Pictures that are edited at most."""


def mixed(model: Generator, looking: Looking, real: Seen, how: SamplingOptions) -> Mixed | None:
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


def under(model: Generator, condition: Tensor, place: torch.device, how: SamplingOptions = DEFAULT_SAMPLING) -> Tensor:
    """Samples float32 (N, C, H, W) on the CPU under conditions (N, size), each from the same noise every time."""
    with fixed_draws(place):
        return sample_images(model, single_term(condition), len(condition), how)


def swept(model: Generator, looking: Looking, pairs: Tensor, how: SamplingOptions) -> Sweep:
    """What the judge sees on the way between the classes of pairs, int64 (P, 2)."""
    weights, many = torch.linspace(0, 1, WEIGHTS), pairs.repeat_interleave(SHARED, 0)
    scores = []
    for weight in weights.tolist():
        x = under(model, between(model, many, weight, looking.place), looking.place, how)
        found = looking.at(x, None).scores
        assert found is not None
        scores.append(found.reshape(len(pairs), SHARED, -1))
    return Sweep(pairs, weights, torch.stack(scores, 1))


class Looking(NamedTuple):
    """A judge at work."""

    judge: Judge
    place: torch.device

    def at(self, x: Tensor, y: Tensor | None) -> Seen:
        """Pictures float32 (N, C, H, W), and what the judge sees in them."""
        looks = [self.judge(part.to(self.place)) for part in torch.split(x, DECODE_BATCH)]
        scores = [look.scores for look in looks if look.scores is not None]
        features = torch.cat([look.features.float().cpu() for look in looks])
        return Seen(x, None if y is None else y.cpu(), features, torch.cat(scores).float().cpu() if scores else None)


def some(pictures: Pictures, count: int) -> Pictures:
    """So many of the pictures, the same ones each time."""
    return pictures if count == len(pictures) else pictures.subset(rows(len(pictures), count))


def rows(total: int, count: int) -> Tensor:
    """So many of all rows, int64 (count,), in their order and the same ones each time; all where there are fewer."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count].sort().values


def manner(run: Run, model: Model, guidance: float, temperature: float) -> SamplingOptions:
    """How samples of a run are to be drawn; ZooError where they cannot be drawn so."""
    asked = SamplingOptions(temperature=temperature, guidance=guidance)
    if isinstance(model, Generator):
        asked.check(model, run.name, run.prior_name)
    elif asked != DEFAULT_SAMPLING:
        raise ZooError(f"{run.name} is no generator: nothing is drawn from it", "leave out guidance and temperature")
    return asked


def hang(
    model: Generator,
    appointed: Appointed,
    split: Pictures,
    train: Pictures,
    place: torch.device,
    most: int = MAX_SHOWN,
    how: SamplingOptions = DEFAULT_SAMPLING,
) -> Gallery:
    """A gallery of `split` and as many training pictures, reconstructions and samples; the same draws each time."""
    count = min(len(split), len(train), most)
    real, other = some(split, count), some(train, count)
    looking = Looking(appointed.judge, place)
    with torch.inference_mode(), fixed_draws(place):
        shown = torch.cat([to_images(model.reconstruct(batch.x)) for batch in batches(real, DECODE_BATCH, place)])
        labels = real.y if model.prior.conditional else None
        made = sample_images(
            model, single_term(None if labels is None else model.condition(labels.to(place))), count, how
        )
        seen = looking.at(real.floats, real.y)
        return Gallery(
            appointed.name,
            seen,
            looking.at(other.floats, other.y),
            looking.at(shown, real.y),
            looking.at(made, labels),
            train.x,
            mixed(model, looking, seen, how),
            edited(model, looking, seen),
        )


def edited(model: Generator, looking: Looking, real: Seen) -> Edited | None:
    """Real pictures as other classes, by the prior's own bijections: neither guidance nor temperature takes part.

    None of a prior that cannot be inverted or takes no classes.
    """
    prior, names, place = model.prior, model.info.classes, looking.place
    if not isinstance(prior, Invertible) or not prior.conditional or real.y is None or len(names) < 2:
        return None
    source = real.at(rows(len(real.x), MAX_EDITED))
    assert source.y is not None
    goal = others(source.y, len(names))
    own, wanted = (model.text.labels(y.to(place)) for y in (source.y, goal))
    code = torch.cat([model.codes(part.to(place)) for part in torch.split(source.x, DECODE_BATCH)])
    base, uninformed = (prior.to_base(code, condition)[0] for condition in (own, None))
    return Edited(
        source,
        looking.at(decode_images(model, prior.from_base(base, single_term(wanted))), goal),
        looking.at(decode_images(model, prior.from_base(uninformed, single_term(wanted))), goal),
        looking.at(under(model, wanted, place), goal),
        decode_images(model, prior.from_base(base, single_term(own))),
        decode_images(model, code),
    )


def others(y: Tensor, classes: int) -> Tensor:
    """For each class int64 (N,) another one, at random and the same one each time."""
    return (y + torch.randint(1, classes, y.shape, generator=torch.Generator().manual_seed(0))) % classes
