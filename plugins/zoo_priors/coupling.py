"""Affine couplings (Dinh et al. 2016, arXiv:1605.08803): maps of vectors given a context, with exact inverses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from zoo_priors.scale import soft_clamp

Weighted = tuple[float, Tensor]
"""A context (N, C) and its weight."""
SPAN = 1.5
"""The logarithm of the factor by which a coupling stretches a number stays within this of 0."""
FURTHEST = 4.0
"""The same for the first step, which brings codes of whatever scale near 0."""


class Step(nn.Module):
    """An invertible map of vectors (N, D), which depends on a context (N, C)."""

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (N, D) to as many, and the log-determinants (N,)."""
        raise NotImplementedError

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        """The inverse; given several contexts, a blend of the inverses whose weights sum to 1."""
        raise NotImplementedError


def total(contexts: Sequence[Weighted]) -> Tensor:
    """The weighted sum of contexts (N, C)."""
    return sum((weight * context for weight, context in contexts[1:]), contexts[0][0] * contexts[0][1])


class Standardise(Step):
    """Subtracts a mean and divides by a deviation, number by number; both follow from the context."""

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        self.net = nn.Linear(context, 2 * size)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def both(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-deviations (N, D)."""
        mean, raw = self.net(context).chunk(2, 1)
        return mean, soft_clamp(raw, FURTHEST)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.both(context)
        return (z - mean) * (-log_std).exp(), -log_std.sum(1)

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        mean, log_std = self.both(total(contexts))
        return mean + log_std.exp() * u


class Coupling(Step):
    """Moves and stretches half of the numbers by what the other half and the context tell.

    Numbers come out in another order, so that the next coupling keeps others. What the perceptron sees of a number
    grows like its logarithm: a code far out must not be thrown still further.
    """

    order: Tensor
    back: Tensor

    def __init__(self, size: int, context: int, width: int, place: int) -> None:
        super().__init__()
        order = np.random.default_rng(place).permutation(size)
        self.register_buffer("order", torch.tensor(order.tolist()), persistent=False)
        self.register_buffer("back", torch.tensor(np.argsort(order).tolist()), persistent=False)
        self.kept, self.moved = size // 2, size - size // 2
        first, second = nn.Linear(self.kept + context, width), nn.Linear(width, width)
        self.hidden = nn.Sequential(first, nn.SiLU(), second, nn.SiLU())
        self.last, self.gain = nn.Linear(width, 2 * self.moved), width**-0.5
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def both(self, kept: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """By how much the other half is moved, and the logarithm of how far it is stretched, (N, moved) each."""
        found = self.gain * self.last(self.hidden(torch.cat([torch.asinh(kept), context], 1)))
        shift, raw = found.chunk(2, 1)
        return shift, soft_clamp(raw, SPAN)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = torch.split(z[:, self.order], [self.kept, self.moved], 1)
        shift, stretch = self.both(kept, context)
        return torch.cat([kept, (moved - shift) * (-stretch).exp()], 1), -stretch.sum(1)

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        kept, moved = torch.split(u, [self.kept, self.moved], 1)
        shift, stretch = self.both(kept, total(contexts))
        return torch.cat([kept, shift + stretch.exp() * moved], 1)[:, self.back]


STRONGEST = 2.0
"""The logarithm of the factor by which the map stretches any vector stays within this of 0."""


class Centre(Step):
    """Subtracts a learnt mean and divides by a learnt deviation, number by number, whatever the context.

    As it is the same map for every context, a product of densities before it is one after it.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size))
        self.raw = nn.Parameter(torch.zeros(size))

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        log_std = soft_clamp(self.raw, FURTHEST)
        return (z - self.mean) * (-log_std).exp(), -log_std.sum().expand(len(z))

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        return self.mean + soft_clamp(self.raw, FURTHEST).exp() * u


class Exponential(Step):
    """z = exp(A) u + shift, where A (D, D) and shift (D,) are affine in the context.

    Contexts that are blended add up in A: the matrix of half one and half another is the exponential of the mean of
    their A, but for what `tame` takes from the strongest.
    """

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        self.size = size
        self.net = nn.Linear(context, size + size * size)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def both(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shifts (U, D) and A (U, D, D) of the U distinct contexts, and which of them each row has, (N,)."""
        rows, which = unique_rows(context)
        shift, raw = self.net(rows).split([self.size, self.size**2], 1)
        return shift, limit_spectral_norm(raw.unflatten(1, (self.size, self.size))), which

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        shift, matrix, which = self.both(context)
        u = torch.linalg.matrix_exp(-matrix)[which] @ (z - shift[which]).unsqueeze(2)
        return u.squeeze(2), -matrix.diagonal(dim1=1, dim2=2).sum(1)[which]

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        shift, matrix, which = self.both(total(contexts))
        stretched: Tensor = torch.linalg.matrix_exp(matrix)[which] @ u.unsqueeze(2)
        return stretched.squeeze(2) + shift[which]


def unique_rows(context: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows (U, C) of contexts (N, C), and which of them each row is, (N,).

    The gradient of equal rows reaches one of them, which comes to the same for whatever made them of equal inputs.
    """
    place = torch.arange(len(context), device=context.device)
    if context.device.type == "meta":  # how many are distinct is not known there
        return context, place
    found, which = torch.unique(context.detach(), dim=0, return_inverse=True)
    return context[place.new_zeros(len(found)).scatter(0, which, place)], which


def limit_spectral_norm(matrix: Tensor) -> Tensor:
    """Matrices (U, D, D) shrunk to a spectral norm below STRONGEST; hardly where it is below half of that.

    The norm's eighth power is no more than the sum of those of all singular values, which is smooth everywhere.
    """
    small = matrix / STRONGEST
    squares = small.mT @ small
    eighth = (squares @ squares).square().sum((1, 2), keepdim=True)
    tamed: Tensor = matrix * (1 + eighth).pow(-1 / 8)
    return tamed
