"""First-party priors: normal, heavy-tailed and learnt ones over continuous codes; a transformer over code words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo import CodeInfo, PriorKind, hookimpl
from zoo_priors.spec import (
    FlowSpec,
    GeneralizedNormalSpec,
    LaplaceSpec,
    MixtureSpec,
    NormalSpec,
    PowerLawSpec,
    StudentTSpec,
    TransformerSpec,
    VampSpec,
)

if TYPE_CHECKING:
    from zoo.models import Prior


def build_normal(spec: NormalSpec, code: CodeInfo) -> Prior:
    """Build the prior N(0, scale^2 I)."""
    from zoo_priors.normal import Normal

    return Normal(spec, code)


def build_laplace(spec: LaplaceSpec, code: CodeInfo) -> Prior:
    """Build the prior of independent Laplace distributions."""
    from zoo_priors.normal import Laplace

    return Laplace(spec, code)


def build_generalized_normal(spec: GeneralizedNormalSpec, code: CodeInfo) -> Prior:
    """Build the prior of independent densities exp(-|z|^beta)."""
    from zoo_priors.normal import GeneralizedNormal

    return GeneralizedNormal(spec, code)


def build_student_t(spec: StudentTSpec, code: CodeInfo) -> Prior:
    """Build a Student t prior, factorised or multivariate."""
    from zoo_priors.heavy_tailed import build_student_t

    return build_student_t(spec, code)


def build_power_law(spec: PowerLawSpec, code: CodeInfo) -> Prior:
    """Build a power-law prior over the length of a code."""
    from zoo_priors.heavy_tailed import PowerLaw

    return PowerLaw(spec, code)


def build_mixture(spec: MixtureSpec, code: CodeInfo) -> Prior:
    """Build a learnt mixture of normal distributions."""
    from zoo_priors.mixture import Mixture

    return Mixture(spec, code)


def build_vamp(spec: VampSpec, code: CodeInfo) -> Prior:
    """Build a mixture of the posteriors of learnt pictures; `attach` must give it an encoder."""
    from zoo_priors.mixture import Vamp

    return Vamp(spec, code)


def build_flow(spec: FlowSpec, code: CodeInfo) -> Prior:
    """Build a normalizing flow conditioned on a text."""
    if spec.architecture == "matching":
        from zoo_priors.matching import Matching

        return Matching(spec, code)
    from zoo_priors.flow import Flow

    return Flow(spec, code)


def build_transformer(spec: TransformerSpec, code: CodeInfo) -> Prior:
    """Build an autoregressive transformer over code words."""
    from zoo_priors.transformer import Transformer

    return Transformer(spec, code)


@hookimpl
def zoo_priors() -> Iterator[PriorKind[Any]]:
    """Yield the kinds of priors."""
    yield PriorKind("normal", NormalSpec, build_normal, "standard normal N(0, I); exact KL")
    yield PriorKind("laplace", LaplaceSpec, build_laplace, "sharp peak at 0, tails like exp(-|z|); exact KL")
    name = "generalized-normal"
    yield PriorKind(
        name, GeneralizedNormalSpec, build_generalized_normal, "tails like exp(-|z|^beta); KL by quadrature"
    )
    yield PriorKind(
        "student-t", StudentTSpec, build_student_t, "tails like |z|^-df; KL by a closed bound or quadrature"
    )
    yield PriorKind("power-law", PowerLawSpec, build_power_law, "P(|z| > R) like R^-alpha; KL by a closed bound")
    yield PriorKind("mixture", MixtureSpec, build_mixture, "learnt mixture of normals; Monte Carlo KL")
    summary = "mixture of the posteriors of learnt pictures (VampPrior); Monte Carlo KL"
    yield PriorKind("vamp", VampSpec, build_vamp, summary)
    summary = "learnt normalizing flow, conditioned on a text; Monte Carlo KL"
    yield PriorKind("flow", FlowSpec, build_flow, summary, text="classes")
    summary = "autoregressive over code words, conditioned on a text"
    yield PriorKind("transformer", TransformerSpec, build_transformer, summary, words=True, text="classes")
