"""Options of the priors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

Scale = Field(ge=0.01, le=100)


class ScaledSpec(Spec):
    """What priors around 0 share."""

    scale: Annotated[float, Scale, Range(0.3, 3.0, log=True)] = 1.0
    """Unit of length of the codes: what the formula divides them by."""
    learn_scale: Annotated[bool, Choice(False, True)] = False
    """Whether the scale is learnt, from `scale` on and up to a hundred times as much or as little."""


class NormalSpec(ScaledSpec):
    """Options of the normal prior."""


class LaplaceSpec(ScaledSpec):
    """Options of the Laplace prior."""


class GeneralizedNormalSpec(ScaledSpec):
    """Options of the generalised normal prior."""

    beta: Annotated[float, Field(ge=0.3, le=4), Range(0.5, 3.0)] = 1.5
    """The density falls like exp(-|z|^beta): 2 is normal, 1 Laplace, less has heavier tails."""


class StudentTSpec(ScaledSpec):
    """Options of Student's t."""

    form: Annotated[Literal["factorised", "multivariate"], Choice("factorised", "multivariate")] = "multivariate"
    """factorised: each number of a code by itself may lie far out; multivariate: the code as a whole may."""
    df: Annotated[float, Field(ge=1, le=1000), Range(2.0, 30.0, log=True)] = 5.0
    """Degrees of freedom: P(|z| > R) falls like R^-df; 1 is Cauchy, many are almost normal."""


class PowerLawSpec(Spec):
    """Options of the power law."""

    alpha: Annotated[float, Field(ge=0.5, le=100), Range(1.0, 10.0, log=True)] = 3.0
    """P(|z| > R) falls like R^-alpha."""
    scale: Annotated[float | None, Scale, Range(0.3, 3.0, log=True)] = None
    """Length from which on the power shows; without it, the one by which a typical code is as long as a normal one."""
    learn_scale: Annotated[bool, Choice(False, True)] = False
    """Whether the scale is learnt, from where it starts and up to a hundred times as much or as little."""


class MixtureSpec(Spec):
    """Options of the mixture."""

    components: Annotated[int, Field(ge=2, le=1000), Range(10, 200, log=True)] = 50
    """Normal distributions that are mixed; means, deviations and weights are learnt."""


class VampSpec(Spec):
    """Options of the VampPrior."""

    components: Annotated[int, Field(ge=2, le=1000), Range(10, 200, log=True)] = 50
    """Pictures that are learnt; each training step encodes all of them."""


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


class TransformerSpec(Spec):
    """A decoder-only transformer over the words of a code, row by row."""

    width: Annotated[int, Field(ge=4, le=8192), Choice(64, 96, 128, 192, 256)] = 128
    """Numbers for each word within the network; a multiple of heads."""
    layers: Annotated[int, Field(ge=1, le=64), Range(2, 8)] = 4
    """Blocks of attention and a perceptron with one hidden layer of four times the width."""
    heads: Annotated[int, Field(ge=1, le=128), Choice(2, 4, 8)] = 4
    """Heads of the attention."""
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.1
    """Share of the numbers that is dropped in training, after each attention and perceptron."""
    label_dropout: Annotated[float, Field(ge=0, le=1), Range(0.05, 0.3)] = 0.1
    """Share of the training pictures whose class is hidden, from which it learns codes of no class in particular."""

    @model_validator(mode="after")
    def _check(self) -> TransformerSpec:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, {self.heads}")
        return self
