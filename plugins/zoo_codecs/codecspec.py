"""The options that all codecs have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import Range, Spec


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
