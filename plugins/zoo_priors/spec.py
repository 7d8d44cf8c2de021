"""The options of the priors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
