"""The options of the kind `convnet`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

Convolution = Literal["full", "separable", "depthwise"]


class ConvNetSpec(Spec):
    """A whitening convolution, groups of convolutions with max pooling, and a linear layer."""

    patch: Annotated[Literal[2, 3], Choice(2, 3)] = 2
    """Height and width in pixels of the patches that the first convolution whitens."""
    bias_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the training in which the bias of the whitening convolution learns; its filters never do."""
    groups: Annotated[int, Field(ge=1, le=6), Range(2, 4)] = 3
    """Number of groups; each halves height and width, as long as they are 4 pixels or more."""
    depth: Annotated[int, Field(ge=1, le=8), Range(1, 4)] = 2
    """Convolutions of each group."""
    first: Annotated[int, Field(ge=8, le=4096), Range(16, 96, log=True)] = 64
    """Channels of the first group."""
    growth: Annotated[float, Field(ge=1, le=8), Range(1.0, 3.0)] = 2.5
    """Factor from the channels of one group to those of the next, up to `widest`."""
    widest: Annotated[int, Field(ge=8, le=8192), Range(48, 384, log=True)] = 160
    """Largest number of channels of a group."""
    pool: Annotated[Literal["first", "last"], Choice("first", "last")] = "first"
    """Whether a group pools after its first convolution, or after its last, which takes longer but spends more
    computation on each parameter."""
    kernel: Annotated[Literal[1, 3, 5, 7], Choice(3, 5)] = 3
    """Height and width of the convolutions' kernels, in pixels."""
    convolution: Annotated[Convolution, Choice("full", "separable", "depthwise")] = "full"
    """full: k x k; separable: 1 x k, then k x 1; depthwise: k x k in each channel, then 1 x 1."""
    shortcut: Annotated[Literal["none", "residual"], Choice("none", "residual")] = "none"
    """residual: after the first convolution of a group, the input of each two is added to their result (He et al. 2015,
    arXiv:1512.03385); none: a plain network."""
    activation: Annotated[Literal["gelu", "relu", "silu", "mish"], Choice("gelu", "relu", "silu")] = "gelu"
    """Non-linearity; gelu in its approximation with tanh."""
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of a batch's statistics in the running ones of batch normalisation."""
    scale: Annotated[float, Field(gt=0, le=100)] = 0.111
    """Factor of the logits."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.2
    """Share of each training label spread over all classes (label smoothing)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.shortcut == "residual" and self.depth < 2:
            raise ValueError("model.shortcut=residual needs model.depth of 2 or more")
        if self.pool == "last" and self.depth < 2:
            raise ValueError("model.pool=last needs model.depth of 2 or more")
        return self
