"""Rules of priors: densities, divergences and sampled codes."""

from __future__ import annotations

import math
from typing import get_args

import torch
from torch import Tensor, nn

from zoo.core.spec import Spec
from zoo.core.types import CodeInfo, DataInfo
from zoo.models.invertible import Invertible
from zoo.models.prior import Exactness, Posterior, Prior, single_term
from zoo.testing import toys
from zoo.testing.building import random_specs, spec_of
from zoo.testing.check import Subject
from zoo.testing.rule import Inapplicable, broken_on_error, require, rule

CODE_SHAPES = ((1,), (5,), (2, 2, 2))
"""Shapes of continuous codes: vectors and a feature map."""
MAX_STANDARD_ERRORS = 5
"""Largest error of an estimate, in standard errors."""
KL_SAMPLES = 4000
"""Number of codes in a Monte Carlo mean."""


class Encoder(nn.Module):
    """A linear encoder of pictures to codes of any shape."""

    def __init__(self, code: CodeInfo, info: DataInfo) -> None:
        super().__init__()
        self.code = code
        self.linear = nn.Linear(math.prod(info.shape), 2 * code.size)

    def encode(self, x: Tensor) -> Posterior:
        """Encode to means with a deviation of about 1, and standard deviations of about 0.6."""
        mean, log_std = self.linear(2 * x.flatten(1).to(self.linear.weight)).reshape(-1, 2, *self.code.shape).unbind(1)
        return Posterior(mean, log_std - 0.5)


def prior_of(subject: Subject, spec: Spec, *shape: int) -> Prior:
    """Build a prior over codes of a shape, in evaluation mode, with perturbed parameters."""
    torch.manual_seed(0)
    code = CodeInfo(shape, toys.WORDS if subject.kind.words else None, len(toys.CLASSES))
    prior: Prior = subject.kind.build(spec, code)
    info = toys.info_of()
    prior.attach(Encoder(code, info).requires_grad_(False).encode, info)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return prior.eval()


def prior_variants(subject: Subject) -> list[tuple[str, Prior]]:
    """Build priors, with names, for the default and random specs and several code shapes."""
    shapes = [(toys.SIDE, toys.SIDE)] if subject.kind.words else CODE_SHAPES
    specs = (spec_of(subject), *random_specs(subject))
    with broken_on_error("build"):
        return [
            (f"{spec!r:.120}, codes {shape}", prior_of(subject, spec, *shape)) for spec in specs for shape in shapes
        ]


def codes_for(prior: Prior, n: int) -> Tensor:
    """Sample codes independently of the prior."""
    torch.manual_seed(1)
    words = prior.code.words
    return torch.randn(n, *prior.code.shape) if words is None else torch.randint(words, (n, *prior.code.shape))


def conditions(n: int) -> tuple[Tensor | None, Tensor]:
    """Make two conditions of n codes: none, and one-hot classes."""
    return None, nn.functional.one_hot(torch.arange(n) % len(toys.CLASSES), len(toys.CLASSES)).float()


@rule("prior")
def densities(subject: Subject) -> None:
    """Log-densities are one finite number per code, with and without a condition."""
    for what, prior in prior_variants(subject):
        code = codes_for(prior, 7)
        for condition in conditions(7):
            with broken_on_error(f"{what}: log_prob"):
                found = prior.log_prob(code, condition)
            require(
                found.shape == (7,), f"{what}: log_prob is {tuple(found.shape)}, not one number for each of 7 codes"
            )
            require(bool(torch.isfinite(found).all()), f"{what}: log_prob is not finite")
        if not prior.conditional:
            plain = prior.log_prob(code)
            require(
                torch.allclose(found, plain), f"{what}: the condition changes the density, but `conditional` is False"
            )


@rule("prior")
def drawn_codes(subject: Subject) -> None:
    """Sampled codes have the declared shape and type, no gradient, and a finite density."""
    for what, prior in prior_variants(subject):
        for condition in conditions(9):
            torch.manual_seed(2)
            with broken_on_error(f"{what}: sample"):
                code = prior.sample(9, condition)
            kind = torch.float32 if prior.code.words is None else torch.int64
            expected = (9, *prior.code.shape)
            require(
                code.shape == expected and code.dtype == kind,
                f"{what}: {code.dtype} {tuple(code.shape)} was sampled, not {kind} {expected}",
            )
            require(
                not code.requires_grad,
                f"{what}: sampled codes carry a gradient; decorate `sample` with torch.no_grad()",
            )
            dense = prior.log_prob(code, condition)
            require(bool(torch.isfinite(dense).all()), f"{what}: the density of a sampled code is not finite")


@rule("prior")
def divergences(subject: Subject) -> None:
    """The divergence equals the mean of log q - log p, or is not below it if declared an upper bound."""
    if subject.kind.words:
        raise Inapplicable("code words have no posterior")
    for what, prior in prior_variants(subject):
        with broken_on_error(f"{what}: kl"):
            check_kl(prior, KL_SAMPLES, what)


def posteriors(prior: Prior, count: int = 4, spread: float = 1.0) -> Posterior:
    """Sample posteriors with different means and widths."""
    shape = (count, *prior.code.shape)
    return Posterior(spread * torch.randn(shape), torch.empty(shape).uniform_(math.log(0.1), math.log(1.5)))


def repeat_each(q: Posterior, times: int) -> Posterior:
    """Repeat each posterior `times` times in a row."""
    return Posterior(q.mean.repeat_interleave(times, 0), q.log_std.repeat_interleave(times, 0))


@torch.no_grad()
def check_kl(prior: Prior, times: int = 60_000, what: str = "the prior") -> None:
    """Raise Broken unless the divergence is the mean of log q - log p, or not below it if a bound."""
    torch.manual_seed(2)
    q = posteriors(prior)
    many = repeat_each(q, times)
    kl = prior.kl(q)
    require(
        kl.value.shape == q.mean.shape[:1], f"{what}: kl is {tuple(kl.value.shape)}, not one number for each posterior"
    )
    require(
        kl.kind in get_args(Exactness), f"{what}: kl has kind {kl.kind!r}, not one of {', '.join(get_args(Exactness))}"
    )
    rows = (-prior.log_prob(many.sample())).view(-1, times).double()
    mean, error = rows.mean(1) - q.entropy(), rows.std(1) / math.sqrt(times)
    value = kl.value.double()
    if kl.kind == "monte carlo":
        again = prior.kl(many).value.view(-1, times).double()
        value, error = again.mean(1), torch.hypot(error, again.std(1) / math.sqrt(times))
    tolerance = MAX_STANDARD_ERRORS * error + 1e-5 * (1 + value.abs())  # the second term is float32 rounding
    text = f"{what}: the divergence ({kl.kind}) is {value.tolist()}, the mean of log q - log p {mean.tolist()}"
    require(bool((value >= mean - tolerance).all()), text)
    require(kl.kind == "upper bound" or bool((value <= mean + tolerance).all()), text)


@rule("prior")
def inverts(subject: Subject) -> None:
    """An invertible prior maps codes to its base and back with a relative error below 1e-4."""
    invertible = [(what, prior) for what, prior in prior_variants(subject) if isinstance(prior, Invertible)]
    if not invertible:
        raise Inapplicable("it has no base; only subclasses of zoo.models.Invertible have one")
    for what, prior in invertible:
        code = codes_for(prior, 8)
        for condition in conditions(8):
            with torch.no_grad(), broken_on_error(f"{what}: to_base and from_base"):
                u, log_det = prior.to_base(code, condition)
                back = prior.from_base(u, single_term(condition))
            require(
                log_det.shape == (8,),
                f"{what}: log-determinants are {tuple(log_det.shape)}, not one number for each code",
            )
            far = ((back - code).abs() / (1 + code.abs())).max().item()
            require(far <= 1e-4, f"{what}: from_base(to_base(code)) is off by {far:.2g}")
