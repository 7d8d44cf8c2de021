"""Options of the codecs."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec


class CodecSpec(Spec):
    """A residual convolutional encoder and decoder, and what they may learn from beside the distortion."""

    width: Annotated[int, Field(ge=4, le=1024), Range(16, 128, log=True)] = 64
    """Channels at the size of the picture; each halving doubles them, up to four times as many."""
    blocks: Annotated[int, Field(ge=1, le=16), Range(1, 3)] = 2
    """Residual blocks at each resolution, in the encoder and in the decoder."""
    patch: Annotated[int, Field(ge=1, le=64)] = 1
    """Pixels of a side of the squares into which pictures are cut first, their numbers becoming channels; 2 or 4 saves
    most of the work, which full-size convolutions take, on pictures of 32 pixels and more."""
    perceptual: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Weight of the distance between pictures and decoded ones in what a teacher sees of them (as in
    arXiv:1801.03924)."""
    perceptual_every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Of perceptual: of each batch look at every n-th picture alone; a teacher's work is much of a step."""
    spectrum: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """How many times more wrong amplitudes at a frequency count than the rest of the squared error, in the second half
    of the training; 5 to 20 make decoded pictures much sharper (as in arXiv:2003.01826). Wants train.keep=last: the
    bound, by which the best epoch is kept, gets no better by it."""
    teacher: Annotated[str, Field(min_length=1, max_length=63)] = "teacher"
    """Of perceptual: the entry of a classifier, which is trained on the same pictures once and kept in the cache."""


class VAESpec(CodecSpec):
    """A variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114) with a calibrated decoder."""

    latent: Annotated[int, Field(ge=1, le=4096), Range(8, 256, log=True)] = 64
    """Numbers of a code that is a vector, channels of one that is a map."""
    form: Annotated[Literal["vector", "map"], Choice("vector", "map")] = "vector"
    """vector: a code is one vector for the whole picture; map: it keeps height and width of the lowest resolution."""
    variance: Annotated[Literal["analytic", "learnt"], Choice("analytic", "learnt")] = "analytic"
    """The one variance of all numbers of a decoded picture (arXiv:2006.13202). analytic: the mean squared error of the
    batch, and when the model is used its average over the last training steps; learnt: a parameter."""
    objective: Literal["weighted", "elbo"] = "weighted"
    """elbo: training minimises the bound alone; weighted: beta, warmup, free_bits, perceptual, spectrum have a say."""
    beta: Annotated[float, Field(ge=0, le=100), Range(0.2, 5.0, log=True)] = 1.0
    """Weight of the rate (Higgins et al. 2017); below 1 codes tell more of the picture and follow the prior less."""
    warmup: Annotated[int, Field(ge=0), Range(0, 2000)] = 200
    """Training steps over which the weight of the rate rises from 0, so that codes are used at all."""
    free_bits: Annotated[float, Field(ge=0, le=10), Range(0.0, 0.3)] = 0.0
    """Nats a number of the code below which the mean rate of a batch is not pushed (as in arXiv:1606.04934)."""


MOST = 2**20
"""Words at most."""


class VQVAESpec(CodecSpec):
    """A residual convolutional encoder and decoder with a map of code words between them."""

    lowest: Annotated[int, Field(ge=1, le=1024)] = 7
    """Rows and columns of words that a code has at least: pictures are halved as long as they stay this large."""
    quantiser: Annotated[Literal["fsq", "ema"], Choice("fsq", "ema")] = "fsq"
    """fsq: round a few numbers, each to one of its levels; ema: the nearest of a codebook that follows the vectors."""
    levels: Annotated[tuple[Annotated[int, Field(ge=2, le=512)], ...], Field(min_length=1, max_length=16)] = (8, 5, 5)
    """Of fsq: how many levels each number of a code has; the words are their combinations."""
    words: Annotated[int, Field(ge=2, le=MOST), Range(32, 1024, log=True)] = 64
    """Of ema: how many vectors the codebook has."""
    size: Annotated[int, Field(ge=1, le=4096), Choice(4, 8, 16, 32)] = 8
    """Of ema: numbers in a vector of the codebook."""
    gradient: Annotated[Literal["straight", "rotation"], Choice("straight", "rotation")] = "straight"
    """Of ema: how gradients pass; straight: as they are; rotation: turned and stretched as the vectors are."""
    decay: Annotated[float, Field(ge=0, lt=1), Choice(0.9, 0.97, 0.99)] = 0.97
    """Of ema: how much of the moving average stays at each step."""
    restart: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Of ema: a word that is used less than this share of the mean use begins anew; 0: none does."""
    commitment: Annotated[float, Field(ge=0, le=100), Range(0.05, 2.0, log=True)] = 0.25
    """Of ema: weight of the mean squared distance of the encoder's vectors from those of the codebook."""

    @model_validator(mode="after")
    def _check(self) -> VQVAESpec:
        if math.prod(self.levels) > MOST:
            raise ValueError(f"levels: {math.prod(self.levels):,} combinations are more words than {MOST:,}")
        return self
