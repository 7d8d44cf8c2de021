"""The options of the flow over continuous codes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec


class FlowSpec(Spec):
    """A normalizing flow, given the class; `linear` has no options of its own but context."""

    architecture: Annotated[str, Field(pattern=r"^(coupling|linear|transformer|zuko:[A-Za-z]+)$")] = "coupling"
    """`coupling`: affine couplings. `linear`: the exponential of a matrix, so that each class has a normal density.
    `transformer`: autoregressive over tokens. `zuko:NSF` and other flows of the package zuko, an extra."""
    tails: bool = False
    """Whether codes are heavy-tailed: each number has learnt tails like |z|^-index, with an index of 1 to 100."""
    layers: Annotated[int, Field(ge=1, le=64), Range(4, 12)] = 8
    """Of coupling: couplings; each moves and stretches half of a code by what the other half and the class tell. Of
    zuko: transforms."""
    width: Annotated[int, Field(ge=4, le=8192), Choice(64, 96, 128, 160, 192)] = 128
    """Of coupling and zuko: numbers in each of the two hidden layers of a perceptron. Of transformer: numbers for each
    token, a multiple of heads."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 4
    """Of transformer: autoregressive steps, in turn from the first token and from the last."""
    depth: Annotated[int, Field(ge=1, le=64)] = 3
    """Of transformer: layers of the step that draws first; the others have one."""
    heads: Annotated[int, Field(ge=1, le=128)] = 4
    """Of transformer: heads of the attention."""
    token: Annotated[int, Field(ge=1)] | None = None
    """Of transformer: most numbers in a token of a code that is a vector, cut to a divisor of its size; none for about
    8 tokens. A map has a token for each place."""
    context: Annotated[int, Field(ge=1, le=4096), Choice(16, 32, 64)] = 32
    """Numbers that tell the class."""
    label_dropout: Annotated[float, Field(ge=0, le=1), Range(0.05, 0.3)] = 0.1
    """Share of the training pictures whose class is hidden, from which it learns codes of no class in particular."""
    mixup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the training pictures that another one shines through, more or less, under both classes as much (as in
    arXiv:1710.09412), from which it learns what a sum of prompts is."""
    joint: bool = True
    """Whether it learns together with the encoder, rather than after it (stages codec and prior), over codes that
    stay."""

    @model_validator(mode="after")
    def _check(self) -> FlowSpec:
        if self.architecture == "transformer" and self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, {self.heads}")
        return self
