"""Build the gallery that generative metrics compare: real pictures, reconstructions, samples, mixtures and edits."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.dataset import Pictures
from zoo.data.loader import batches
from zoo.evaluation.judges import NamedJudge
from zoo.models.base import Model
from zoo.models.gallery import EditedImages, Gallery, JudgedImages, MixedImages, Sweep
from zoo.models.generator import Generator
from zoo.models.invertible import Invertible
from zoo.models.judge import Judge
from zoo.models.latent import fixed_seed
from zoo.models.prior import single_term
from zoo.models.sampling import DECODE_BATCH, DEFAULT_SAMPLING, SamplingOptions, decode_images, sample_images, to_images
from zoo.runs.run import Run

MAX_MIXED_CLASSES = 20
"""Maximum number of classes for which pairs of classes are mixed."""
MAX_PAIRS, PICTURES_PER_PAIR = 45, 16
"""Maximum number of mixed pairs, and number of pictures per pair."""
MAX_SWEPT_PAIRS, SWEEP_WEIGHTS, PICTURES_PER_WEIGHT = 10, 9, 64
"""Maximum number of swept pairs, number of weights per sweep, and number of pictures per weight."""
MAX_PICTURES = 10_000
"""Maximum number of pictures in each set for the judge."""
MAX_EDITED = 500
"""Maximum number of pictures that are edited."""


class JudgeRunner(NamedTuple):
    """A judge and the device on which it runs."""

    judge: Judge
    device: torch.device

    def run(self, x: Tensor, y: Tensor | None) -> JudgedImages:
        """Run the judge on pictures float32 (N, C, H, W), and return them with its features and scores."""
        outputs = [self.judge(part.to(self.device)) for part in torch.split(x, DECODE_BATCH)]
        scores = [output.scores for output in outputs if output.scores is not None]
        features = torch.cat([output.features.float().cpu() for output in outputs])
        return JudgedImages(
            x, None if y is None else y.cpu(), features, torch.cat(scores).float().cpu() if scores else None
        )


def sampling_options(run: Run, model: Model, guidance: float, temperature: float) -> SamplingOptions:
    """Return the options for sampling from a run.

    Raises ZooError if its model does not support them.
    """
    options = SamplingOptions(temperature=temperature, guidance=guidance)
    if isinstance(model, Generator):
        options.check(model, run.name, run.prior_name)
    elif options != DEFAULT_SAMPLING:
        raise ZooError(
            f"{run.name} is not a generator, so no samples are drawn from it", "drop --guidance and --temperature"
        )
    return options


def make_gallery(
    model: Generator,
    judge: NamedJudge,
    split: Pictures,
    train: Pictures,
    device: torch.device,
    max_pictures: int = MAX_PICTURES,
    options: SamplingOptions = DEFAULT_SAMPLING,
) -> Gallery:
    """Make a gallery from `split`, equally many training pictures, reconstructions and samples.

    The random draws are the same on every call.
    """
    count = min(len(split), len(train), max_pictures)
    real, other = random_subset(split, count), random_subset(train, count)
    runner = JudgeRunner(judge.judge, device)
    with torch.inference_mode(), fixed_seed(device):
        reconstructions = torch.cat(
            [to_images(model.reconstruct(batch.x)) for batch in batches(real, DECODE_BATCH, device)]
        )
        captions = caption_conditions(model, real, device)
        labels, others = (part.y if model.info.classes else None for part in (real, other))
        prompted = labels if model.prior.conditional else None
        condition = captions if prompted is None or captions is not None else model.condition(prompted.to(device))
        samples = sample_images(model, single_term(condition), count, options)
        seen = runner.run(real.floats, labels)
        return Gallery(
            judge.name,
            seen,
            runner.run(other.floats, others),
            runner.run(reconstructions, labels),
            runner.run(samples, prompted),
            train.x,
            sample_mixtures(model, runner, seen, options, captions),
            edit_pictures(model, runner, seen, captions),
            options.guidance,
            options.temperature,
        )


def caption_conditions(model: Generator, pictures: Pictures, device: torch.device) -> Tensor | None:
    """Encode the first caption of each picture (N, K); None for a model whose conditions are classes, or that has none.

    A picture without a caption has zeros, which stand for no text.
    """
    if not model.reads_captions:
        return None
    found = [model.batch_condition(batch) for batch in batches(pictures, DECODE_BATCH, device)]
    return torch.cat([condition for condition in found if condition is not None])


def sample_mixtures(
    model: Generator,
    runner: JudgeRunner,
    real: JudgedImages,
    options: SamplingOptions,
    captions: Tensor | None = None,
) -> MixedImages | None:
    """Sample mixtures of pairs of classes, or with the conditions of `captions` (N, K) of pictures of these classes.

    Returns None if the prior is unconditional, or for too few or too many classes.
    """
    if not model.prior.conditional or real.y is None or real.scores is None or real.scores.shape[1] > MAX_MIXED_CLASSES:
        return None
    every = torch.combinations(real.y.bincount().nonzero().flatten())
    if not len(every):
        return None
    subset = every[random_rows(len(every), MAX_PAIRS)]
    pairs = subset.repeat_interleave(PICTURES_PER_PAIR, 0)
    one, other = (real.x[rows] for rows in pair_rows(real, pairs))
    middle = real.x.shape[3] // 2
    halves = torch.cat([one[..., :middle], other[..., middle:]], 3)
    ends = pair_conditions(model, real, pairs, captions, runner.device)
    condition = interpolate_conditions(*ends, 0.5)
    return MixedImages(
        pairs,
        runner.run(sample_with_fixed_noise(model, condition, runner.device, options), None),
        runner.run((one + other) / 2, None),
        runner.run(halves, None),
        sweep_weights(model, runner, real, subset[random_rows(len(subset), MAX_SWEPT_PAIRS)], options, captions),
    )


def pair_rows(real: JudgedImages, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Pick the rows of real pictures of both classes of each pair, int64 (N, 2); the same on every call."""
    assert real.y is not None
    order, counts = real.y.argsort(stable=True), real.y.bincount()
    starts = counts.cumsum(0) - counts
    # float64, because a float32 fraction times a count may be rounded up to the count itself
    fractions = torch.rand(pairs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = order[starts[pairs] + (fractions * counts[pairs]).long()].unbind(1)
    return one, other


def pair_conditions(
    model: Generator, real: JudgedImages, pairs: Tensor, captions: Tensor | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Encode both classes of each pair, int64 (N, 2), or captions of real pictures of these classes."""
    if captions is None:
        first, second = (model.text.labels(part.to(device)) for part in pairs.unbind(1))
    else:
        first, second = (captions[rows.to(device)] for rows in pair_rows(real, pairs))
    return first, second


def interpolate_conditions(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Interpolate between conditions (N, K); `weight` is that of the second."""
    return (1 - weight) * first + weight * second


def sample_with_fixed_noise(
    model: Generator, condition: Tensor, device: torch.device, options: SamplingOptions = DEFAULT_SAMPLING
) -> Tensor:
    """Sample pictures float32 (N, C, H, W) for conditions (N, size), with the same noise on every call."""
    with fixed_seed(device):
        return sample_images(model, single_term(condition), len(condition), options)


def sweep_weights(
    model: Generator,
    runner: JudgeRunner,
    real: JudgedImages,
    pairs: Tensor,
    options: SamplingOptions,
    captions: Tensor | None,
) -> Sweep:
    """Score samples while the weight moves from the first class of each pair, int64 (P, 2), to the second."""
    weights, repeated = torch.linspace(0, 1, SWEEP_WEIGHTS), pairs.repeat_interleave(PICTURES_PER_WEIGHT, 0)
    scores, ends = [], pair_conditions(model, real, repeated, captions, runner.device)
    for weight in weights.tolist():
        condition = interpolate_conditions(*ends, weight)
        seen = runner.run(sample_with_fixed_noise(model, condition, runner.device, options), None)
        assert seen.scores is not None
        scores.append(seen.scores.reshape(len(pairs), PICTURES_PER_WEIGHT, -1))
    return Sweep(pairs, weights, torch.stack(scores, 1))


def edit_pictures(
    model: Generator, runner: JudgeRunner, real: JudgedImages, captions: Tensor | None = None
) -> EditedImages | None:
    """Edit real pictures into other classes or captions, by inverting the prior, without guidance or temperature.

    Returns None if the prior is not invertible or not conditional.
    """
    prior, names, device = model.prior, model.info.classes, runner.device
    if not isinstance(prior, Invertible) or not prior.conditional or (captions is None and len(names) < 2):
        return None
    chosen = random_rows(len(real.x), MAX_EDITED)
    source = real.at(chosen)
    if captions is not None:
        partner = other_classes(torch.arange(len(chosen)), len(chosen)) if len(chosen) > 1 else torch.zeros(1).long()
        target = None if source.y is None else source.y[partner]
        own = captions[chosen.to(device)]
        other = own[partner.to(device)]
    else:
        assert source.y is not None
        target = other_classes(source.y, len(names))
        own, other = (model.text.labels(y.to(device)) for y in (source.y, target))
    code = torch.cat([model.codes(part.to(device)) for part in torch.split(source.x, DECODE_BATCH)])
    base, uninformed = (prior.base(code, condition) for condition in (own, None))
    return EditedImages(
        source,
        runner.run(decode_images(model, prior.from_base(base, single_term(other))), target),
        runner.run(decode_images(model, prior.from_base(uninformed, single_term(other))), target),
        runner.run(sample_with_fixed_noise(model, other, device), target),
        decode_images(model, prior.from_base(base, single_term(own))),
        decode_images(model, code),
    )


def other_classes(y: Tensor, classes: int) -> Tensor:
    """For each class, int64 (N,), pick a different one at random; the same on every call."""
    return (y + torch.randint(1, classes, y.shape, generator=torch.Generator().manual_seed(0))) % classes


def random_subset(pictures: Pictures, count: int) -> Pictures:
    """Pick `count` of the pictures; the same on every call."""
    return pictures if count == len(pictures) else pictures.subset(random_rows(len(pictures), count))


def random_rows(total: int, count: int) -> Tensor:
    """Pick up to `count` of `total` rows, int64, in ascending order; the same on every call."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count].sort().values
