"""The options of the kind `vq-vae`."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range
from zoo_codecs.codecspec import CodecSpec

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
