"""The options of the kind `cnn`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

Activation = Literal["mish", "relu", "silu", "gelu", "leaky-relu", "elu"]


class CNNSpec(Spec):
    """Blocks of convolution, norm, activation and pooling, and a head of linear layers."""

    blocks: Annotated[int, Field(ge=1, le=32), Range(3, 8)] = 6
    """Number of blocks of convolution, norm, activation and pooling."""
    first: Annotated[int, Field(ge=1, le=4096), Range(16, 96, log=True)] = 46
    """Channels after the first block."""
    last: Annotated[int, Field(ge=1, le=8192), Range(64, 384, log=True)] = 210
    """Channels after the last block; the blocks in between follow a geometric progression."""
    final: Annotated[int, Field(ge=1, le=64), Range(1, 4)] = 2
    """Height and width after the last block, in pixels; sizes in between follow a geometric progression."""
    head: Annotated[int, Field(ge=0, le=8), Range(0, 4)] = 3
    """Number of hidden linear layers; their widths follow a geometric progression from the features to the classes."""
    kernel: Annotated[Literal[1, 3, 5, 7, 9, 11], Choice(3, 5)] = 3
    """Height and width of the convolutions' kernels, in pixels."""
    convolution: Annotated[Literal["full", "separable"], Choice("full", "separable")] = "full"
    """full: k x k; separable: 1 x k, then k x 1."""
    ratio: Annotated[float | None, Field(gt=0, le=4)] = None
    """Weights of a separable pair per weight of the full convolution; by default the pair's inner channels are the
    geometric mean of its input and output channels."""
    norm: Annotated[Literal["none", "before", "after"], Choice("none", "before", "after")] = "before"
    """Batch normalisation before or after the activation, or none."""
    activation: Annotated[Activation, Choice("mish", "relu", "silu", "gelu")] = "mish"
    """Non-linearity of the blocks and the head."""
    bias: bool = True
    """Whether convolutions add a bias."""
    pooling: Annotated[Literal["fractional", "max"], Choice("fractional", "max")] = "fractional"
    """fractional: max pooling over random regions, redrawn for each training batch; max: over evenly spaced regions."""
    residual: Annotated[bool, Choice(False, True)] = False
    """Whether each block has a shortcut: its input, averaged and projected, is added to its output."""
    draws: Annotated[int, Field(ge=1, le=64)] = 1
    """Random draws of pooling regions to average over in evaluation; each costs a forward pass."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.2)] = 0.0
    """Share of each training label spread over all classes (label smoothing)."""
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.5)] = 0.0
    """Dropout rate in the head."""

    @model_validator(mode="after")
    def _check(self) -> CNNSpec:
        if self.ratio is not None and self.convolution == "full":
            raise ValueError("model.ratio needs model.convolution=separable")
        if self.draws > 1 and self.pooling == "max":
            raise ValueError("model.draws above 1 needs model.pooling=fractional: max pooling is not random")
        return self
