"""Options of the codecs."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec


class CodecSpec(Spec):
    """Options of the residual convolutional encoder and decoder, and of their auxiliary losses."""

    newer_options = frozenset({"scores", "lowest", "noise", "adversarial"})

    width: Annotated[int, Field(ge=4, le=1024), Range(16, 128, log=True)] = 64
    """Channels at full resolution; doubled at each halving, up to four times as many."""
    blocks: Annotated[int, Field(ge=1, le=16), Range(1, 3)] = 2
    """Residual blocks at each resolution, in the encoder and in the decoder."""
    patch: Annotated[int, Field(ge=1, le=64)] = 1
    """Side in pixels of the patches into which pictures are cut first, moving pixels to channels; 2 or 4 saves most of
    the work, which full-size convolutions cause, on pictures of 32 pixels and more."""
    perceptual: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Weight of the perceptual loss: the distance between pictures and their reconstructions in a teacher's features
    (as in arXiv:1801.03924)."""
    perceptual_every: Annotated[int, Field(ge=1, le=1000)] = 1
    """For perceptual and scores: use only every n-th picture of each batch, since the teacher takes much of the time of
    a step."""
    scores: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Weight of the divergence between the teacher's class probabilities of pictures and those of their
    reconstructions, so that these stay recognisable (as in arXiv:1503.02531); default: none."""
    spectrum: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Extra weight of errors in the amplitude at each frequency, relative to the rest of the squared error, in the
    second half of training; 5 to 20 make decoded pictures much sharper (as in arXiv:2003.01826). Use with
    train.keep=last, since it does not improve the bound by which the best epoch is chosen."""
    adversarial: Annotated[float, Field(gt=0, le=100)] | None = None
    """Weight of the adversarial loss, by a discriminator of patches that is trained along in the second half of the
    training (as in arXiv:2012.09841): the norm of its gradient relative to that of the squared error; default: none.
    Use with train.keep=last. The discriminator is part of the weights and of the number of parameters."""
    teacher: Annotated[str, Field(min_length=1, max_length=63)] = "teacher"
    """For perceptual and scores: the entry of the teacher, a classifier trained once on the same pictures and kept in
    the cache."""

    @property
    def needs_teacher(self) -> bool:
        """Whether a loss uses the teacher."""
        return bool(self.perceptual or self.scores)


class VAESpec(CodecSpec):
    """Options of a variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114) with a calibrated decoder."""

    latent: Annotated[int, Field(ge=1, le=4096), Range(8, 256, log=True)] = 64
    """Size of a vector code, or channels of a map code."""
    form: Annotated[Literal["vector", "map"], Choice("vector", "map")] = "vector"
    """vector: one vector per picture; map: a code with the height and width of the lowest resolution."""
    lowest: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Smallest number of rows and columns of the lowest resolution: pictures are halved as long as they stay at least
    this large; default 4."""
    noise: Annotated[float, Field(gt=0, le=10)] | None = None
    """Fixed standard deviation of all posteriors, over codes that are standardised in each channel; default: learnt
    ones. It sets how exactly codes are read (arXiv:2512.04084), and the decoder learns to bear such errors."""
    variance: Annotated[Literal["analytic", "learnt"], Choice("analytic", "learnt")] = "analytic"
    """The decoder's variance, shared by all pixels (arXiv:2006.13202). analytic: the batch's mean squared error, and in
    evaluation its average over the last training steps; learnt: a parameter."""
    objective: Literal["weighted", "elbo"] = "weighted"
    """elbo: minimise the bound only; weighted: also use beta, warmup, free_bits, perceptual, scores, spectrum and
    adversarial."""
    beta: Annotated[float, Field(ge=0, le=100), Range(0.2, 5.0, log=True)] = 1.0
    """Weight of the rate (beta-VAE, Higgins et al. 2017); below 1, codes carry more information and follow the prior
    less closely."""
    warmup: Annotated[int, Field(ge=0), Range(0, 2000)] = 200
    """Batches over which the weight of the rate rises from 0, to avoid posterior collapse; `train.accumulate` takes
    several in each step."""
    free_bits: Annotated[float, Field(ge=0, le=10), Range(0.0, 0.3)] = 0.0
    """Free bits, in nats per code dimension: a batch's mean rate below this is not penalised (as in
    arXiv:1606.04934)."""


MAX_WORDS = 2**20
"""Largest number of code words."""


class VQVAESpec(CodecSpec):
    """Options of a residual convolutional encoder and decoder with a map of code words between them."""

    lowest: Annotated[int, Field(ge=1, le=1024)] = 7
    """Smallest number of rows and columns of a code: pictures are halved as long as they stay at least this large."""
    quantiser: Annotated[Literal["fsq", "ema"], Choice("fsq", "ema")] = "fsq"
    """fsq: round each of a few numbers to one of its levels; ema: use the nearest vector of a codebook updated by
    moving averages."""
    levels: Annotated[tuple[Annotated[int, Field(ge=2, le=512)], ...], Field(min_length=1, max_length=16)] = (8, 5, 5)
    """For fsq: number of levels of each number; code words are all their combinations."""
    words: Annotated[int, Field(ge=2, le=MAX_WORDS), Range(32, 1024, log=True)] = 64
    """For ema: number of vectors in the codebook."""
    size: Annotated[int, Field(ge=1, le=4096), Choice(4, 8, 16, 32)] = 8
    """For ema: size of a codebook vector."""
    gradient: Annotated[Literal["straight", "rotation"], Choice("straight", "rotation")] = "straight"
    """For ema: gradient estimator; straight: straight-through; rotation: rotated and scaled like the vectors."""
    decay: Annotated[float, Field(ge=0, lt=1), Choice(0.9, 0.97, 0.99)] = 0.97
    """For ema: decay of the moving average per batch; `train.accumulate` takes several in each step."""
    restart: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """For ema: code words used less than this share of the average are re-initialised; 0: never."""
    commitment: Annotated[float, Field(ge=0, le=100), Range(0.05, 2.0, log=True)] = 0.25
    """For ema: weight of the commitment loss, the mean squared distance between encoder and codebook vectors."""

    @model_validator(mode="after")
    def _check(self) -> VQVAESpec:
        if math.prod(self.levels) > MAX_WORDS:
            combinations = f"{math.prod(self.levels):,} combinations"
            raise ValueError(f"levels: {combinations} exceed the maximum of {MAX_WORDS:,} code words")
        return self
