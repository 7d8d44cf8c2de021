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
        labels = real.y if model.prior.conditional else None
        condition = None if labels is None else model.condition(labels.to(device))
        samples = sample_images(model, single_term(condition), count, options)
        seen = runner.run(real.floats, real.y)
        return Gallery(
            judge.name,
            seen,
            runner.run(other.floats, other.y),
            runner.run(reconstructions, real.y),
            runner.run(samples, labels),
            train.x,
            sample_mixtures(model, runner, seen, options),
            edit_classes(model, runner, seen),
            options.guidance,
            options.temperature,
        )


def sample_mixtures(
    model: Generator, runner: JudgeRunner, real: JudgedImages, options: SamplingOptions
) -> MixedImages | None:
    """Sample mixtures of pairs of classes.

    Returns None if the prior is unconditional, or for too few or too many classes.
    """
    if not model.prior.conditional or real.y is None or real.scores is None or real.scores.shape[1] > MAX_MIXED_CLASSES:
        return None
    every = torch.combinations(real.y.bincount().nonzero().flatten())
    if not len(every):
        return None
    subset = every[random_rows(len(every), MAX_PAIRS)]
    pairs = subset.repeat_interleave(PICTURES_PER_PAIR, 0)
    one, other = real_pairs(real, pairs)
    middle = real.x.shape[3] // 2
    halves = torch.cat([one[..., :middle], other[..., middle:]], 3)
    condition = interpolate_conditions(model, pairs, 0.5, runner.device)
    return MixedImages(
        pairs,
        runner.run(sample_with_fixed_noise(model, condition, runner.device, options), None),
        runner.run((one + other) / 2, None),
        runner.run(halves, None),
        sweep_weights(model, runner, subset[random_rows(len(subset), MAX_SWEPT_PAIRS)], options),
    )


def real_pairs(real: JudgedImages, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Pick real pictures (N, C, H, W) of both classes of each pair, int64 (N, 2); the same on every call."""
    assert real.y is not None
    order, counts = real.y.argsort(stable=True), real.y.bincount()
    starts = counts.cumsum(0) - counts
    # float64, because a float32 fraction times a count may be rounded up to the count itself
    fractions = torch.rand(pairs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = order[starts[pairs] + (fractions * counts[pairs]).long()].unbind(1)
    return real.x[one], real.x[other]


def interpolate_conditions(model: Generator, pairs: Tensor, weight: float, device: torch.device) -> Tensor:
    """Interpolate between the conditions of pairs of classes, int64 (N, 2); `weight` is that of the second class."""
    first, second = (model.text.labels(part.to(device)) for part in pairs.unbind(1))
    return (1 - weight) * first + weight * second


def sample_with_fixed_noise(
    model: Generator, condition: Tensor, device: torch.device, options: SamplingOptions = DEFAULT_SAMPLING
) -> Tensor:
    """Sample pictures float32 (N, C, H, W) for conditions (N, size), with the same noise on every call."""
    with fixed_seed(device):
        return sample_images(model, single_term(condition), len(condition), options)


def sweep_weights(model: Generator, runner: JudgeRunner, pairs: Tensor, options: SamplingOptions) -> Sweep:
    """Score samples while the weight moves from the first class of each pair, int64 (P, 2), to the second."""
    weights, repeated = torch.linspace(0, 1, SWEEP_WEIGHTS), pairs.repeat_interleave(PICTURES_PER_WEIGHT, 0)
    scores = []
    for weight in weights.tolist():
        condition = interpolate_conditions(model, repeated, weight, runner.device)
        seen = runner.run(sample_with_fixed_noise(model, condition, runner.device, options), None)
        assert seen.scores is not None
        scores.append(seen.scores.reshape(len(pairs), PICTURES_PER_WEIGHT, -1))
    return Sweep(pairs, weights, torch.stack(scores, 1))


def edit_classes(model: Generator, runner: JudgeRunner, real: JudgedImages) -> EditedImages | None:
    """Edit real pictures into other classes, by inverting the prior, without guidance or temperature.

    Returns None if the prior is not invertible or not conditional.
    """
    prior, names, device = model.prior, model.info.classes, runner.device
    if not isinstance(prior, Invertible) or not prior.conditional or real.y is None or len(names) < 2:
        return None
    source = real.at(random_rows(len(real.x), MAX_EDITED))
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
