"""A linear map of vectors that is the exponential of a matrix, which follows from the context."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_priors.coupling import FURTHEST, Step, Weighted, total
from zoo_priors.scale import bounded

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
        log_std = bounded(self.raw, FURTHEST)
        return (z - self.mean) * (-log_std).exp(), -log_std.sum().expand(len(z))

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        return self.mean + bounded(self.raw, FURTHEST).exp() * u


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
        rows, which = distinct(context)
        shift, raw = self.net(rows).split([self.size, self.size**2], 1)
        return shift, tame(raw.unflatten(1, (self.size, self.size))), which

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        shift, matrix, which = self.both(context)
        u = torch.linalg.matrix_exp(-matrix)[which] @ (z - shift[which]).unsqueeze(2)
        return u.squeeze(2), -matrix.diagonal(dim1=1, dim2=2).sum(1)[which]

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        shift, matrix, which = self.both(total(contexts))
        stretched: Tensor = torch.linalg.matrix_exp(matrix)[which] @ u.unsqueeze(2)
        return stretched.squeeze(2) + shift[which]


def distinct(context: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows (U, C) of contexts (N, C), and which of them each row is, (N,).

    The gradient of equal rows reaches one of them, which comes to the same for whatever made them of equal inputs.
    """
    place = torch.arange(len(context), device=context.device)
    if context.device.type == "meta":  # how many are distinct is not known there
        return context, place
    found, which = torch.unique(context.detach(), dim=0, return_inverse=True)
    return context[place.new_zeros(len(found)).scatter(0, which, place)], which


def tame(matrix: Tensor) -> Tensor:
    """Matrices (U, D, D) shrunk to a spectral norm below STRONGEST; hardly where it is below half of that.

    The norm's eighth power is no more than the sum of those of all singular values, which is smooth everywhere.
    """
    small = matrix / STRONGEST
    squares = small.mT @ small
    eighth = (squares @ squares).square().sum((1, 2), keepdim=True)
    tamed: Tensor = matrix * (1 + eighth).pow(-1 / 8)
    return tamed
