"""Affine couplings (Dinh et al. 2016, arXiv:1605.08803) and other invertible maps that depend on a context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from zoo_priors.scale import soft_clamp

Weighted = tuple[float, Tensor]
"""A weight and a context (N, C)."""
MAX_LOG_SCALE = 1.5
"""Largest absolute value of the logarithm of the factor by which a coupling scales a dimension."""
MAX_OUTER_LOG_SCALE = 4.0
"""Same limit for the first step, which normalises codes of any scale."""


class Step(nn.Module):
    """Base class of invertible maps of vectors (N, D) that depend on a context (N, C)."""

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Map vectors (N, D) to vectors (N, D), and compute the log-determinants (N,)."""
        raise NotImplementedError

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        """Apply the inverse map; for several contexts, a blend of their inverses with weights that sum to 1."""
        raise NotImplementedError


def weighted_sum(contexts: Sequence[Weighted]) -> Tensor:
    """Compute the weighted sum of contexts (N, C)."""
    return sum((weight * context for weight, context in contexts[1:]), contexts[0][0] * contexts[0][1])


class Standardise(Step):
    """Subtract a mean and divide by a standard deviation in each dimension; both depend on the context."""

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        self.net = nn.Linear(context, 2 * size)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def mean_and_log_std(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Compute means and log standard deviations (N, D)."""
        mean, raw = self.net(context).chunk(2, 1)
        return mean, soft_clamp(raw, MAX_OUTER_LOG_SCALE)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.mean_and_log_std(context)
        return (z - mean) * (-log_std).exp(), -log_std.sum(1)

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        mean, log_std = self.mean_and_log_std(weighted_sum(contexts))
        return mean + log_std.exp() * u


class Coupling(Step):
    """Shift and scale half of the dimensions depending on the other half and the context.

    The dimensions are permuted, so that the next coupling changes others. The inputs of the MLP are compressed, growing
    like logarithms, so that codes far from 0 are not moved still further.
    """

    outputs = 2
    """How many numbers the MLP computes for each dimension that is changed."""
    order: Tensor
    back: Tensor

    def __init__(self, size: int, context: int, width: int, index: int) -> None:
        super().__init__()
        order = np.random.default_rng(index).permutation(size)
        self.register_buffer("order", torch.tensor(order.tolist()), persistent=False)
        self.register_buffer("back", torch.tensor(np.argsort(order).tolist()), persistent=False)
        self.kept, self.moved = size // 2, size - size // 2
        first, second = nn.Linear(self.kept + context, width), nn.Linear(width, width)
        self.hidden = nn.Sequential(first, nn.SiLU(), second, nn.SiLU())
        self.last, self.gain = nn.Linear(width, self.outputs * self.moved), width**-0.5
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = torch.split(z[:, self.order], [self.kept, self.moved], 1)
        moved, log_det = self.transform(moved, self.run_mlp(kept, context))
        return torch.cat([kept, moved], 1), log_det

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        kept, moved = torch.split(u, [self.kept, self.moved], 1)
        moved = self.invert(moved, self.run_mlp(kept, weighted_sum(contexts)))
        return torch.cat([kept, moved], 1)[:, self.back]

    def run_mlp(self, kept: Tensor, context: Tensor) -> Tensor:
        """Compute what transforms the other half, (N, outputs * moved)."""
        found: Tensor = self.gain * self.last(self.hidden(torch.cat([torch.asinh(kept), context], 1)))
        return found

    def transform(self, moved: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """Map the other half (N, moved) towards the base, and compute the log-determinants (N,)."""
        shift, raw = found.chunk(2, 1)
        log_scale = soft_clamp(raw, MAX_LOG_SCALE)
        return (moved - shift) * (-log_scale).exp(), -log_scale.sum(1)

    def invert(self, moved: Tensor, found: Tensor) -> Tensor:
        """Apply the inverse of `transform` to the other half (N, moved)."""
        shift, raw = found.chunk(2, 1)
        return shift + soft_clamp(raw, MAX_LOG_SCALE).exp() * moved


MAX_NORM = 2.0
"""Upper limit of the spectral norm of A, the logarithm of the factor by which a vector is stretched."""


class Centre(Step):
    """Subtract a learnt mean and divide by a learnt standard deviation in each dimension, for any context.

    Since the map is the same for every context, products of densities are preserved.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size))
        self.raw = nn.Parameter(torch.zeros(size))

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        log_std = soft_clamp(self.raw, MAX_OUTER_LOG_SCALE)
        return (z - self.mean) * (-log_std).exp(), -log_std.sum().expand(z.shape[0])

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        return self.mean + soft_clamp(self.raw, MAX_OUTER_LOG_SCALE).exp() * u


class Exponential(Step):
    """The map z = exp(A) u + shift, where A (D, D) and shift (D,) are affine in the context.

    Blending contexts blends A: the matrix of half one context and half another is the exponential of the mean of their
    A, except for what `limit_spectral_norm` changes.
    """

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        self.size = size
        self.net = nn.Linear(context, size + size * size)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def shift_and_matrix(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute shift (U, D) and A (U, D, D) of the U distinct contexts, and the index (N,) of each row's."""
        rows, which = unique_rows(context)
        shift, raw = self.net(rows).split([self.size, self.size**2], 1)
        return shift, limit_spectral_norm(raw.unflatten(1, (self.size, self.size))), which

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        shift, matrix, which = self.shift_and_matrix(context)
        u = torch.linalg.matrix_exp(-matrix)[which] @ (z - shift[which]).unsqueeze(2)
        return u.squeeze(2), -matrix.diagonal(dim1=1, dim2=2).sum(1)[which]

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        shift, matrix, which = self.shift_and_matrix(weighted_sum(contexts))
        stretched: Tensor = torch.linalg.matrix_exp(matrix)[which] @ u.unsqueeze(2)
        return stretched.squeeze(2) + shift[which]


def unique_rows(context: Tensor) -> tuple[Tensor, Tensor]:
    """Find the distinct rows (U, C) of contexts (N, C), and the index (N,) of each row among them.

    The gradient of equal rows goes to one of them, which makes no difference if they come from equal inputs.
    """
    index = torch.arange(context.shape[0], device=context.device)
    if context.device.type == "meta" or torch.compiler.is_exporting():  # the number of distinct rows is unknown
        return context, index
    found, which = torch.unique(context.detach(), dim=0, return_inverse=True)
    return context[index.new_zeros(len(found)).scatter(0, which, index)], which


def limit_spectral_norm(matrix: Tensor) -> Tensor:
    """Shrink matrices (U, D, D) to a spectral norm below MAX_NORM; those below half of it hardly change.

    The eighth power of the norm is at most the sum of the eighth powers of all singular values, which is smooth.
    """
    small = matrix / MAX_NORM
    squares = small.mT @ small
    eighth = (squares @ squares).square().sum((1, 2), keepdim=True)
    limited: Tensor = matrix * (1 + eighth).pow(-1 / 8)
    return limited
