"""First-party priors: normal, heavy-tailed and learnt ones over continuous codes, and a transformer over words."""

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
    """N(0, scale^2 I)."""
    from zoo_priors.normal import Normal

    return Normal(spec, code)


def build_laplace(spec: LaplaceSpec, code: CodeInfo) -> Prior:
    """Independent Laplace numbers."""
    from zoo_priors.normal import Laplace

    return Laplace(spec, code)


def build_generalized_normal(spec: GeneralizedNormalSpec, code: CodeInfo) -> Prior:
    """Independent numbers with density exp(-|z|^beta)."""
    from zoo_priors.normal import GeneralizedNormal

    return GeneralizedNormal(spec, code)


def build_student_t(spec: StudentTSpec, code: CodeInfo) -> Prior:
    """Student's t, factorised or multivariate."""
    from zoo_priors.heavy_tailed import build

    return build(spec, code)


def build_power_law(spec: PowerLawSpec, code: CodeInfo) -> Prior:
    """A power law over the length of a code."""
    from zoo_priors.heavy_tailed import PowerLaw

    return PowerLaw(spec, code)


def build_mixture(spec: MixtureSpec, code: CodeInfo) -> Prior:
    """A learnt mixture of normal distributions."""
    from zoo_priors.mixture import Mixture

    return Mixture(spec, code)


def build_vamp(spec: VampSpec, code: CodeInfo) -> Prior:
    """The mean of the posteriors of learnt pictures; `attach` must give it the encoder."""
    from zoo_priors.mixture import Vamp

    return Vamp(spec, code)


def build_flow(spec: FlowSpec, code: CodeInfo) -> Prior:
    """A normalizing flow given a text."""
    from zoo_priors.flow import Flow

    return Flow(spec, code)


def build_transformer(spec: TransformerSpec, code: CodeInfo) -> Prior:
    """A transformer over code words."""
    from zoo_priors.transformer import Transformer

    return Transformer(spec, code)


@hookimpl
def zoo_priors() -> Iterator[PriorKind[Any]]:
    """Yield the prior kinds."""
    yield PriorKind("normal", NormalSpec, build_normal, "the usual N(0, I); exact KL")
    yield PriorKind("laplace", LaplaceSpec, build_laplace, "sharp at 0, tails like exp(-|z|); exact KL")
    name = "generalized-normal"
    yield PriorKind(
        name, GeneralizedNormalSpec, build_generalized_normal, "tails like exp(-|z|^beta); KL by quadrature"
    )
    yield PriorKind(
        "student-t", StudentTSpec, build_student_t, "tails like |z|^-df; KL by a closed bound or quadrature"
    )
    yield PriorKind("power-law", PowerLawSpec, build_power_law, "P(|z| > R) like R^-alpha; KL by a closed bound")
    yield PriorKind("mixture", MixtureSpec, build_mixture, "a learnt mixture of normals; KL by Monte Carlo")
    yield PriorKind("vamp", VampSpec, build_vamp, "posteriors of learnt pictures (VampPrior); KL by Monte Carlo")
    yield PriorKind(
        "flow", FlowSpec, build_flow, "a learnt normalizing flow, given a text; KL by Monte Carlo", text="classes"
    )
    summary = "over code words, word by word, given a text"
    yield PriorKind("transformer", TransformerSpec, build_transformer, summary, words=True, text="classes")
