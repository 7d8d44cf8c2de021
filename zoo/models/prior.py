"""Priors over the codes of a latent model, and the divergence of posteriors from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from zoo.core.errors import ZooError
from zoo.core.types import CodeInfo, DataInfo
from zoo.models.precision import as_float32, no_autocast

Exactness = Literal["exact", "upper bound", "quadrature", "monte carlo"]


class Posterior(NamedTuple):
    """The posterior over the codes of N pictures: independent normal distributions.

    Args:
        mean: Means (N, *shape).
        log_std: Natural logarithms of the standard deviations (N, *shape).

    Example:
        >>> import torch
        >>> from zoo.models import Posterior
        >>> posterior = Posterior(torch.zeros(3, 2), torch.zeros(3, 2))
        >>> tuple(posterior.sample().shape)
        (3, 2)
        >>> round(posterior.entropy()[0].item(), 3)
        2.838
    """

    mean: Tensor
    """(N, *shape)"""
    log_std: Tensor
    """(N, *shape), natural logarithm of the standard deviation."""

    def sample(self) -> Tensor:
        """Sample a code for each picture by reparametrisation (Kingma & Welling 2013, arXiv:1312.6114).

        Returns:
            Codes (N, *shape), with gradients.
        """
        mean = as_float32(self.mean)
        return mean + as_float32(self.log_std).exp() * torch.randn_like(mean)

    def entropy(self) -> Tensor:
        """Compute the differential entropy of each posterior.

        Returns:
            Nats (N,).
        """
        return (as_float32(self.log_std) + (math.log(2 * math.pi) + 1) / 2).flatten(1).sum(1)


Encode = Callable[[Tensor], Posterior]
"""Maps pictures (N, C, H, W) with values 0..1 to the posteriors over their codes."""


class KL(NamedTuple):
    """The Kullback-Leibler divergence of posteriors from a prior, and how exact it is.

    It is the rate of a variational autoencoder. For every kind, the expectation of distortion + value is an upper bound
    of -log p(picture).

    Args:
        value: Nats (N,).
        kind: "exact": closed form; "upper bound": closed form, never below the divergence; "quadrature": a sum over
            fixed points, with a small error; "monte carlo": unbiased, from one sampled code for each picture.
    """

    value: Tensor
    """Nats (N,). For every kind, the expectation of distortion + value is an upper bound of -log p(picture)."""
    kind: Exactness
    """exact: closed form; upper bound: closed form, never below the divergence; quadrature: a sum over fixed points,
    with a small error; monte carlo: unbiased, from one sampled code for each picture."""


class Term(NamedTuple):
    """A factor of a product of densities: a condition and an exponent.

    Args:
        weight: The exponent; a negative one moves samples away from the condition.
        condition: Conditions (N, code.condition), or None for the unconditional density.

    Example:
        >>> import torch
        >>> from zoo.models import Term
        >>> cat = torch.tensor([[1.0, 0.0]])
        >>> guided = [Term(3.0, cat), Term(-2.0, None)]
        >>> sum(term.weight for term in guided)
        1.0
    """

    weight: float
    condition: Tensor | None
    """(N, code.condition), or None for the unconditional density."""


def single_term(condition: Tensor | None) -> list[Term]:
    """Make the product of a single density, for `blend`.

    Args:
        condition: Conditions (N, code.condition), or None.

    Returns:
        One term with the exponent 1.

    Example:
        >>> from zoo.models import single_term
        >>> single_term(None)
        [Term(weight=1.0, condition=None)]
    """
    return [Term(1.0, condition)]


class Prior(nn.Module):
    """Base class of priors: densities over codes, perhaps given a condition.

    A condition is a float tensor (N, code.condition), or None. A subclass must implement `log_prob` and `sample`;
    the rest has defaults.

    Args:
        code: Shape and type of the codes.

    Example:
        >>> import math
        >>> import torch
        >>> from zoo import CodeInfo
        >>> from zoo.models import Prior
        >>> class Uniform(Prior):
        ...     def log_prob(self, code, condition=None):
        ...         return torch.full((len(code),), -self.code.size * math.log(self.code.words))
        ...     def sample(self, n, condition=None, temperature=1.0):
        ...         return torch.randint(self.code.words, (n, *self.code.shape))
        >>> prior = Uniform(CodeInfo((2, 2), words=8))
        >>> tuple(prior.sample(3).shape)
        (3, 2, 2)
    """

    conditional = False
    """Whether the density depends on the condition."""
    joint = True
    """Whether it is trained together with a codec of continuous codes; otherwise after it, on fixed codes."""
    mixup = 0.0
    """Share of training pictures to mix with another one; their conditions are mixed in the same ratio."""
    multiplies = False
    """Whether `blend` multiplies conditional densities, as far as it can; otherwise it adds conditions."""
    exact = True
    """Whether `log_prob` computes log-densities; otherwise it estimates them, without bias."""
    matching = False
    """Whether it is trained by `matching_loss` on codes that it does not change, rather than by its log-density."""

    def __init__(self, code: CodeInfo) -> None:
        super().__init__()
        self.code = code

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute the log-density of codes.

        Args:
            code: Codes (N, *shape).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Nats (N,).
        """
        raise NotImplementedError

    def matching_loss(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute a training loss that stands for the log-density, such as that of flow matching.

        It is used only if `matching` is True.

        Args:
            code: Codes (N, *shape), which receive no gradient.
            condition: Conditions (N, code.condition), or None.

        Returns:
            Losses (N,).
        """
        raise NotImplementedError

    def sample(self, n: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Sample codes with torch's random number generator.

        Args:
            n: The number of codes.
            condition: Conditions (n, code.condition), or None.
            temperature: Below 1, codes are likelier and less varied.

        Returns:
            Codes (n, *shape).
        """
        raise NotImplementedError

    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        """Sample codes from a product of this prior's conditional densities.

        An autoregressive prior may instead multiply the densities of each element given the previous ones, which is a
        different distribution. A density to the power of 1 + g, times the unconditional one to the power of -g, is
        classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598).

        Args:
            n: The number of codes.
            terms: The densities and their exponents, which sum to 1.
            temperature: Below 1, codes are likelier and less varied.

        Returns:
            Codes (n, *shape).

        Raises:
            ZooError: If there are several terms and the prior cannot sample from a product, which is the default.
        """
        if len(terms) == 1:
            return self.sample(n, terms[0].condition, temperature)
        hint = "sample without guidance and products"
        raise ZooError(f"the prior {type(self).__name__} supports neither guidance nor products", hint)

    @property
    def noise_size(self) -> int:
        """How many numbers `from_noise` needs for a code; 0 if it has none."""
        return 0

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise to codes that follow this prior, without drawing anything.

        An exported sampler needs it, since each runtime has random numbers of its own.

        Args:
            noise: Standard normal numbers (N, noise_size).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Codes (N, *shape).

        Raises:
            ZooError: If the prior cannot do this, which is the default.
        """
        hint = "its encoder and decoder can be"
        raise ZooError(f"samples of the prior {type(self).__name__} cannot be exported: it has no `from_noise`", hint)

    def kl(self, posterior: Posterior, condition: Tensor | None = None) -> KL:
        """Compute the divergence of each posterior from this prior.

        Args:
            posterior: Posteriors over N codes.
            condition: Conditions (N, code.condition), or None.

        Returns:
            The divergence in nats (N,) and how exact it is; by default an estimate from one code for each posterior.
        """
        cross = -self.log_prob(posterior.sample(), condition)
        return KL(cross - posterior.entropy(), "monte carlo")

    def parts_to_compile(self) -> list[nn.Module]:
        """List the modules to compile in place for a long training.

        Equal ones, such as the blocks of a transformer, are compiled once for all. Outside training their `forward`
        should be called instead, since each other size of a batch would compile them again.

        Returns:
            Modules of this prior; by default none.
        """
        return []

    def attach(self, encode: Encode, info: DataInfo) -> None:
        """Receive the encoder whose codes this prior models.

        A Generator calls it once, before anything else. A prior that keeps the encoder must not register its weights
        as its own parameters. A model with code words has no posterior, so its encoder cannot be used here.

        Args:
            encode: Computes the posterior of pictures (N, C, H, W) with values 0..1.
            info: Shape, classes and statistics of the pictures.
        """


class VectorPrior(Prior):
    """Base class of priors over continuous codes, which it reads as float32 vectors (N, D).

    A subclass implements `log_density` and `draw`. Computation is in float32 even under autocast.

    Args:
        code: Shape of the codes.

    Raises:
        ZooError: If the codes are code words.

    Example:
        >>> import torch
        >>> from zoo import CodeInfo
        >>> from zoo.models import VectorPrior
        >>> class Normal(VectorPrior):
        ...     def log_density(self, z, condition):
        ...         return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        ...     def draw(self, n, condition, temperature):
        ...         return temperature * torch.randn(n, self.code.size)
        >>> prior = Normal(CodeInfo((3, 2, 2)))
        >>> tuple(prior.log_prob(prior.sample(5)).shape)
        (5,)
    """

    def __init__(self, code: CodeInfo) -> None:
        super().__init__(code)
        if code.words is not None:
            raise ZooError(
                f"{type(self).__name__} is a prior over continuous codes, but this model has {code.words} code words",
                "choose another prior.kind",
            )

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the log-density of vectors.

        Args:
            z: Vectors (N, D).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Nats (N,).
        """
        raise NotImplementedError

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        """Sample vectors with torch's random number generator.

        Args:
            n: The number of vectors.
            condition: Conditions (n, code.condition), or None.
            temperature: Below 1, vectors are likelier and less varied.

        Returns:
            Vectors (n, D).
        """
        raise NotImplementedError

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        """Compute the cross-entropy of posteriors over vectors with this prior.

        Args:
            q: Posteriors over N vectors.
            condition: Conditions (N, code.condition), or None.

        Returns:
            The mean of -log_density under each posterior in nats (N,), and how exact it is.
        """
        return -self.log_density(q.sample(), condition), "monte carlo"

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute the log-density of codes, by `log_density` of their vectors.

        Args:
            code: Codes (N, *shape).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Nats (N,).
        """
        with no_autocast(code.device):
            return self.log_density(self.vectors(code), condition)

    @torch.no_grad()
    def sample(self, n: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Sample codes, by `draw`, with torch's random number generator.

        Args:
            n: The number of codes.
            condition: Conditions (n, code.condition), or None.
            temperature: Below 1, codes are likelier and less varied.

        Returns:
            Codes (n, *shape).
        """
        return as_float32(self.draw(n, condition, temperature)).reshape(n, *self.code.shape)

    def kl(self, posterior: Posterior, condition: Tensor | None = None) -> KL:
        """Compute the divergence of each posterior from this prior, by `cross_entropy`.

        Args:
            posterior: Posteriors over N codes.
            condition: Conditions (N, code.condition), or None.

        Returns:
            The divergence in nats (N,), and how exact it is.
        """
        with no_autocast(posterior.mean.device):
            q = Posterior(self.vectors(posterior.mean), self.vectors(posterior.log_std))
            cross, kind = self.cross_entropy(q, condition)
            return KL(cross - q.entropy(), kind)

    def vectors(self, code: Tensor) -> Tensor:
        """Flatten codes to vectors in float32.

        Args:
            code: Codes (N, *shape).

        Returns:
            Vectors (N, D); float64 if the codes are.
        """
        return as_float32(code).reshape(code.shape[0], self.code.size)
