"""Priors over the codes of a latent model, and what a posterior costs under them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from zoo.core.errors import ZooError
from zoo.core.types import CodeInfo, DataInfo

Exactness = Literal["exact", "upper bound", "quadrature", "monte carlo"]


class Posterior(NamedTuple):
    """What an encoder believes of the codes of N pictures: a normal distribution with independent parts."""

    mean: Tensor
    """(N, *shape)"""
    log_std: Tensor
    """(N, *shape), natural logarithm of the standard deviation."""

    def sample(self) -> Tensor:
        """A code (N, *shape) for each picture, with gradients (Kingma & Welling 2013, arXiv:1312.6114)."""
        mean = as_float32(self.mean)
        return mean + as_float32(self.log_std).exp() * torch.randn_like(mean)

    def entropy(self) -> Tensor:
        """Nats (N,)."""
        return (as_float32(self.log_std) + (math.log(2 * math.pi) + 1) / 2).flatten(1).sum(1)


Encode = Callable[[Tensor], Posterior]
"""Pictures with values 0..1, (N, C, H, W), to what is believed of their codes."""


class KL(NamedTuple):
    """The Kullback-Leibler divergence of posteriors from a prior: the rate of a variational autoencoder."""

    value: Tensor
    """Nats (N,). Whichever kind it is, distortion + value bounds -log p(picture) from above, in the mean over draws."""
    kind: Exactness
    """exact: closed form; upper bound: closed form, never below the divergence; quadrature: a sum over fixed points,
    off by its rounding; monte carlo: unbiased, from one code drawn for each picture."""


class Term(NamedTuple):
    """A density that takes part in a product, to the power of a weight; a negative one leads away from it."""

    weight: float
    condition: Tensor | None
    """(N, code.condition), or None for that of no text."""


def single_term(condition: Tensor | None) -> list[Term]:
    """The product of a single density."""
    return [Term(1.0, condition)]


class Prior(nn.Module):
    """A density over codes, perhaps given a condition: a float tensor (N, code.condition), or None."""

    conditional = False
    """Whether the condition makes a difference."""
    joint = True
    """Whether it learns together with a model of continuous codes, rather than after it, over codes that stay."""
    mixup = 0.0
    """Share of the training pictures that are to be sums of two, under the same sum of their conditions."""
    multiplies = False
    """Whether `blend` multiplies what is said of each number as it is drawn, rather than add what conditions tell."""

    def __init__(self, code: CodeInfo) -> None:
        super().__init__()
        self.code = code

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log-density in nats (N,) of codes (N, *shape)."""
        raise NotImplementedError

    def sample(self, n: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Codes (n, *shape) from torch's generator; a temperature below 1 makes them likelier and less varied."""
        raise NotImplementedError

    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        """Codes (n, *shape) from a product of its densities, whose weights sum to 1; ZooError where it has none.

        It may be one of what is said of each number given those before, which is another thing than the product of
        the whole densities. The product of a density to the power of 1 + g and that of no text to the power of -g is
        classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598).
        """
        if len(terms) == 1:
            return self.sample(n, terms[0].condition, temperature)
        raise ZooError(f"the prior {type(self).__name__} knows neither guidance nor products", "sample without them")

    def kl(self, posterior: Posterior, condition: Tensor | None = None) -> KL:
        """The divergence of each posterior from the prior, and how exact it is; by default from one code for each."""
        cross = -self.log_prob(posterior.sample(), condition)
        return KL(cross - posterior.entropy(), "monte carlo")

    def attach(self, encode: Encode, info: DataInfo) -> None:
        """Take note of the latent model; called once, before anything else, by whoever joins the two.

        The encoder stays the model's: a prior that keeps it must not register its weights as its own. A model of code
        words has no posterior to give.
        """


class VectorPrior(Prior):
    """A prior over continuous codes that sees them as vectors (N, D), in float32 even under autocast."""

    def __init__(self, code: CodeInfo) -> None:
        super().__init__(code)
        if code.words is not None:
            raise ZooError(
                f"{type(self).__name__} is a prior over continuous codes, but this model's are {code.words} words",
                "choose another prior.kind",
            )

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Log-density in nats (N,) of vectors (N, D)."""
        raise NotImplementedError

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        """Vectors (n, D), as `sample` says."""
        raise NotImplementedError

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        """The mean of -log_density under posteriors over vectors, in nats (N,), and how exact it is."""
        return -self.log_density(q.sample(), condition), "monte carlo"

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        with no_autocast(code.device):
            return self.log_density(self.vectors(code), condition)

    @torch.no_grad()
    def sample(self, n: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        return as_float32(self.draw(n, condition, temperature)).reshape(n, *self.code.shape)

    def kl(self, posterior: Posterior, condition: Tensor | None = None) -> KL:
        with no_autocast(posterior.mean.device):
            q = Posterior(self.vectors(posterior.mean), self.vectors(posterior.log_std))
            cross, kind = self.cross_entropy(q, condition)
            return KL(cross - q.entropy(), kind)

    def vectors(self, code: Tensor) -> Tensor:
        """Codes (N, *shape) as vectors (N, D)."""
        return as_float32(code).reshape(code.shape[0], self.code.size)


class Invertible(VectorPrior):
    """A prior that maps codes to normally distributed vectors and back, exactly."""

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Codes (N, *shape) to vectors (N, D) that follow N(0, I), and log-determinants (N,)."""
        raise NotImplementedError

    def from_base(self, u: Tensor, terms: Sequence[Term]) -> Tensor:
        """Vectors (N, D) to codes (N, *shape); of a single condition the inverse, else as `blend` says."""
        raise NotImplementedError

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        u, log_det = self.to_base(z, condition)
        return log_det - u.square().sum(1) / 2 - self.code.size / 2 * math.log(2 * math.pi)

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        return self.blend(n, single_term(condition), temperature).flatten(1)

    @torch.no_grad()
    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        like = next(self.parameters())
        u = temperature * torch.randn(n, self.code.size, device=like.device, dtype=like.dtype)
        with no_autocast(like.device):
            return self.from_base(u, terms)


def as_float32(x: Tensor) -> Tensor:
    """The tensor in float32, or in float64 where it has that already."""
    return x if x.dtype == torch.float64 else x.float()


def no_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Within the block autocast does nothing."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
