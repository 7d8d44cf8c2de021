"""Options of the priors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

Scale = Field(ge=0.01, le=100)
DEFAULT_STEPS = 10
"""Number of steps of a continuous flow if it is not set."""
ARCHITECTURES = ("coupling", "spline", "linear", "transformer", "matching")
"""Architectures of the flow, beside those of zuko."""
MATCHING_OPTIONS = ("steps", "times", "draws", "patch")
"""Options of `matching` alone."""


class ScaledSpec(Spec):
    """Options that the priors with a scale share."""

    scale: Annotated[float, Scale, Range(0.3, 3.0, log=True)] = 1.0
    """Scale of the codes: what the formula divides them by."""
    learn_scale: Annotated[bool, Choice(False, True)] = False
    """Whether the scale is learnt, starting from `scale`, within a factor of 100 either way."""


class NormalSpec(ScaledSpec):
    """Options of the normal prior."""


class LaplaceSpec(ScaledSpec):
    """Options of the Laplace prior."""


class GeneralizedNormalSpec(ScaledSpec):
    """Options of the generalised normal prior."""

    beta: Annotated[float, Field(ge=0.3, le=4), Range(0.5, 3.0)] = 1.5
    """The density falls like exp(-|z|^beta): 2 is normal, 1 Laplace; smaller values have heavier tails."""


class StudentTSpec(ScaledSpec):
    """Options of the Student t prior."""

    form: Annotated[Literal["factorised", "multivariate"], Choice("factorised", "multivariate")] = "multivariate"
    """factorised: heavy tails in each dimension independently; multivariate: heavy tails of the code as a whole."""
    df: Annotated[float, Field(ge=1, le=1000), Range(2.0, 30.0, log=True)] = 5.0
    """Degrees of freedom: P(|z| > R) falls like R^-df; 1 is Cauchy, large values are almost normal."""


class PowerLawSpec(Spec):
    """Options of the power-law prior."""

    alpha: Annotated[float, Field(ge=0.5, le=100), Range(1.0, 10.0, log=True)] = 3.0
    """Tail index: P(|z| > R) falls like R^-alpha."""
    scale: Annotated[float | None, Scale, Range(0.3, 3.0, log=True)] = None
    """Length beyond which the power law shows; by default chosen so that a typical code is as long as under a normal
    prior."""
    learn_scale: Annotated[bool, Choice(False, True)] = False
    """Whether the scale is learnt, within a factor of 100 of its initial value."""


class MixtureSpec(Spec):
    """Options of the mixture prior."""

    components: Annotated[int, Field(ge=2, le=1000), Range(10, 200, log=True)] = 50
    """Number of normal components; means, deviations and weights are learnt."""


class VampSpec(Spec):
    """Options of the VampPrior."""

    components: Annotated[int, Field(ge=2, le=1000), Range(10, 200, log=True)] = 50
    """Number of learnt pictures (pseudo-inputs); each training step encodes all of them."""


class FlowSpec(Spec):
    """Options of a normalizing flow, conditioned on a text; `linear` uses only context."""

    newer_options = frozenset(MATCHING_OPTIONS)

    architecture: Annotated[str, Field(pattern=rf"^({'|'.join(ARCHITECTURES)}|zuko:[A-Za-z]+)$")] = "coupling"
    """`coupling`: affine couplings. `spline`: couplings that also map each dimension by a spline. `linear`: a matrix
    exponential, giving each class a normal density. `transformer`: autoregressive over tokens. `matching`: continuous,
    trained by flow matching. `zuko:NSF` etc.: flows of the package zuko (an extra)."""
    tails: bool = False
    """Whether codes are heavy-tailed: each dimension has learnt tails |z|^-index, index 1 to 100."""
    layers: Annotated[int, Field(ge=1, le=64), Range(4, 12)] = 8
    """For coupling and spline: number of couplings; each changes half of a code depending on the other half and the
    condition. For zuko: number of transforms. For matching: residual or transformer blocks of the velocity network."""
    width: Annotated[int, Field(ge=4, le=8192), Choice(64, 96, 128, 160, 192)] = 128
    """For coupling, spline and zuko: width of both hidden layers of each MLP. For transformer and matching: embedding
    width, for the former and for maps a multiple of heads."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 4
    """For transformer: number of autoregressive steps, alternately from the first and from the last token."""
    depth: Annotated[int, Field(ge=1, le=64)] = 3
    """For transformer: layers of the step that samples first; the others have one."""
    heads: Annotated[int, Field(ge=1, le=128)] = 4
    """For transformer, and matching over maps: number of attention heads."""
    token: Annotated[int, Field(ge=1)] | None = None
    """For transformer: largest token size for vector codes, lowered to a divisor of the code size; null: about 8
    tokens. A map has one token per position."""
    context: Annotated[int, Field(ge=1, le=4096), Choice(16, 32, 64)] = 32
    """Size of the condition embedding."""
    label_dropout: Annotated[float, Field(ge=0, le=1), Range(0.05, 0.3)] = 0.1
    """Share of training pictures whose condition is dropped, to learn unconditional sampling (as for classifier-free
    guidance)."""
    mixup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of training pictures mixed with another one, with their conditions mixed in the same ratio (mixup,
    arXiv:1710.09412), to learn sums of prompts."""
    joint: bool = True
    """Whether it trains together with the codec; otherwise after it (stages codec and prior), on fixed codes. Matching
    never changes the codes: beside it, the rate of the codec is that under N(0, I)."""
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    """For matching: steps of Heun's method from noise to a code, two evaluations each; null: 10."""
    times: Literal["uniform", "logit-normal"] | None = None
    """For matching: how training samples times between noise (0) and codes (1); logit-normal favours the middle; null:
    logit-normal."""
    draws: Annotated[int, Field(ge=1, le=1000)] | None = None
    """For matching: noises and times for each code of a training step, which make its gradient less noisy at the cost
    of the velocity network alone; null: 4 for vectors, 1 for maps."""

    patch: Annotated[int, Field(ge=1, le=64)] | None = None
    """For matching over maps: side of the squares of places that are one token (as in arXiv:2212.09748); 2 makes it
    about four times as fast; null: 1."""

    @model_validator(mode="after")
    def _check(self) -> FlowSpec:
        if self.architecture == "transformer" and self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, {self.heads}")
        if self.architecture == "matching" and self.tails:
            raise ValueError("tails has no effect on the architecture matching: leave it out")
        given = [name for name in MATCHING_OPTIONS if getattr(self, name) is not None]
        if self.architecture != "matching" and given:
            raise ValueError(f"{given[0]} has no effect without the architecture matching")
        return self


class TransformerSpec(Spec):
    """Options of a decoder-only transformer over the words of a code, row by row."""

    width: Annotated[int, Field(ge=4, le=8192), Choice(64, 96, 128, 192, 256)] = 128
    """Embedding width; a multiple of heads."""
    layers: Annotated[int, Field(ge=1, le=64), Range(2, 8)] = 4
    """Number of blocks, each an attention layer and an MLP with a hidden layer four times as wide."""
    heads: Annotated[int, Field(ge=1, le=128), Choice(2, 4, 8)] = 4
    """Number of attention heads."""
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.1
    """Dropout rate after each attention layer and MLP."""
    label_dropout: Annotated[float, Field(ge=0, le=1), Range(0.05, 0.3)] = 0.1
    """Share of training pictures whose condition is dropped, to learn unconditional sampling (as for classifier-free
    guidance)."""

    @model_validator(mode="after")
    def _check(self) -> TransformerSpec:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, {self.heads}")
        return self
