"""Priors that map codes to normally distributed vectors and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.models.precision import no_autocast
from zoo.models.prior import Term, VectorPrior, single_term


class Invertible(VectorPrior):
    """Base class of priors that map codes to normally distributed vectors and back.

    A subclass implements `to_base` and `from_base`, which are exact inverses of each other.

    Args:
        code: Shape of the codes.

    Raises:
        ZooError: If the codes are code words.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from zoo import CodeInfo
        >>> from zoo.models import Invertible
        >>> class Scaled(Invertible):
        ...     def __init__(self, code):
        ...         super().__init__(code)
        ...         self.log_std = nn.Parameter(torch.ones(code.size))
        ...     def to_base(self, code, condition=None):
        ...         u = self.vectors(code) * (-self.log_std).exp()
        ...         return u, -self.log_std.sum().expand(len(u))
        ...     def from_base(self, u, terms):
        ...         return (u * self.log_std.exp()).view(-1, *self.code.shape)
        >>> prior = Scaled(CodeInfo((3,)))
        >>> code = prior.sample(5)
        >>> torch.allclose(prior.from_base(prior.to_base(code)[0], []), code)
        True
    """

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map codes to vectors that follow N(0, I) if the codes follow this prior.

        Args:
            code: Codes (N, *shape).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Vectors (N, D), and log-determinants of the map (N,).
        """
        raise NotImplementedError

    def from_base(self, u: Tensor, terms: Sequence[Term]) -> Tensor:
        """Map vectors to codes: with a single term, the inverse of `to_base`.

        Args:
            u: Vectors (N, D).
            terms: The densities of a product and their exponents, which sum to 1, as in `blend`.

        Returns:
            Codes (N, *shape).
        """
        raise NotImplementedError

    def base(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map codes to vectors as `to_base` does, perhaps at less cost.

        Args:
            code: Codes (N, *shape).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Vectors (N, D).
        """
        return self.to_base(code, condition)[0]

    @property
    def noise_size(self) -> int:
        """How many numbers `from_noise` needs for a code: the size of a code."""
        return self.code.size

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise to codes, by `from_base`.

        Args:
            noise: Standard normal numbers (N, D).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Codes (N, *shape).
        """
        return self.from_base(noise, single_term(condition))

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the log-density of vectors by change of variables.

        Args:
            z: Vectors (N, D).
            condition: Conditions (N, code.condition), or None.

        Returns:
            Nats (N,).
        """
        u, log_det = self.to_base(z, condition)
        return log_det - u.square().sum(1) / 2 - self.code.size / 2 * math.log(2 * math.pi)

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        """Sample vectors by mapping normally distributed ones back.

        Args:
            n: The number of vectors.
            condition: Conditions (n, code.condition), or None.
            temperature: Standard deviation of the base.

        Returns:
            Vectors (n, D).
        """
        return self.blend(n, single_term(condition), temperature).flatten(1)

    @torch.no_grad()
    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        """Sample codes by mapping normally distributed vectors back under several conditions.

        Args:
            n: The number of codes.
            terms: The densities and their exponents, which sum to 1.
            temperature: Standard deviation of the base.

        Returns:
            Codes (n, *shape).
        """
        like = next(self.parameters())
        u = temperature * torch.randn(n, self.code.size, device=like.device, dtype=like.dtype)
        with no_autocast(like.device):
            return self.from_base(u, terms)
