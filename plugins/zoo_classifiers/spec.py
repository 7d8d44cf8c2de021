"""The options of the kind `cnn`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

Activation = Literal["mish", "relu", "silu", "gelu", "leaky-relu", "elu"]


class CNNSpec(Spec):
    """A chain of blocks (convolution, norm, activation, pooling) and a head of linear layers."""

    blocks: Annotated[int, Field(ge=1, le=32), Range(3, 8)] = 6
    """Blocks of convolution, norm, activation and pooling."""
    first: Annotated[int, Field(ge=1, le=4096), Range(16, 96, log=True)] = 46
    """Channels after the first block."""
    last: Annotated[int, Field(ge=1, le=8192), Range(64, 384, log=True)] = 210
    """Channels after the last block; those between follow a geometric progression."""
    final: Annotated[int, Field(ge=1, le=64), Range(1, 4)] = 2
    """Height and width after the last block, in pixels; those between follow a geometric progression."""
    head: Annotated[int, Field(ge=0, le=8), Range(0, 4)] = 3
    """Hidden linear layers; their widths follow a geometric progression from the features to the classes."""
    kernel: Annotated[Literal[1, 3, 5, 7, 9, 11], Choice(3, 5)] = 3
    """Height and width of the convolutions' kernels, in pixels."""
    convolution: Annotated[Literal["full", "separable"], Choice("full", "separable")] = "full"
    """full: k x k; separable: 1 x k, then k x 1."""
    ratio: Annotated[float | None, Field(gt=0, le=4)] = None
    """Weights of a separable pair per weight of the full convolution; without it the channels between the pair are the
    geometric mean of those around it."""
    norm: Annotated[Literal["none", "before", "after"], Choice("none", "before", "after")] = "before"
    """Batch normalisation before or after the activation, or none."""
    activation: Annotated[Activation, Choice("mish", "relu", "silu", "gelu")] = "mish"
    """Non-linearity of the blocks and the head."""
    bias: bool = True
    """Whether convolutions add a bias."""
    pooling: Annotated[Literal["fractional", "max"], Choice("fractional", "max")] = "fractional"
    """fractional: max pooling over regions drawn anew for each training batch; max: over evenly spaced ones."""
    residual: Annotated[bool, Choice(False, True)] = False
    """Whether each block adds its averaged and projected input to its output."""
    draws: Annotated[int, Field(ge=1, le=64)] = 1
    """Draws of pooling regions over which evaluation averages; each costs a forward pass."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.2)] = 0.0
    """Share of each training label that is spread over all classes."""
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.5)] = 0.0
    """Share of the features that the head drops in training."""

    @model_validator(mode="after")
    def _check(self) -> CNNSpec:
        if self.ratio is not None and self.convolution == "full":
            raise ValueError("ratio needs convolution=separable")
        if self.draws > 1 and self.pooling == "max":
            raise ValueError("draws above 1 needs pooling=fractional: max pooling has nothing to draw")
        return self
