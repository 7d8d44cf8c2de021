"""An ordinary differential equation solved by Heun's method, whose steps are inverted and have log-determinants."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import torch
from torch import Tensor


class Velocity(Protocol):
    """A velocity that may depend on the row."""

    def __call__(self, x: Tensor, t: float, rows: Tensor | None = None) -> Tensor:
        """Map vectors (N, D) and a time from 0 to 1 to velocities (N, D); `rows` are theirs if not all are given."""


MAX_ITERATIONS, MIN_SHARE = 100, 1e-3
"""Most iterations that invert a step, of which smooth velocities need about four, and least share of a change."""
TOLERANCE = 16
"""Root mean square error of an inverted step relative to 1 + that of the vectors, in units of the last digit."""


def take_step(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Move vectors (N, D) from time t to t + h."""
    first = v(x, t)
    return x + h / 2 * (first + v(x + h * first, t + h))


def solve(v: Velocity, x: Tensor, steps: int) -> Tensor:
    """Move vectors (N, D) from time 0 to 1."""
    for index in range(steps):
        x = take_step(v, x, index / steps, 1 / steps)
    return x


@torch.no_grad()
def invert_step(v: Velocity, y: Tensor, t: float, h: float) -> Tensor:
    """Find the vectors (N, D) at time t that `take_step` moves to y.

    A step of the same method backwards is refined by fixed-point iterations, as an invertible residual network is
    inverted (Behrmann et al. 2018, arXiv:1811.00995); a row that would get worse is tried again with half the change.
    Rows that are done take no further part.
    """
    x = take_step(v, y, t + h, -h)
    if y.device.type == "meta":
        return x
    off, share = take_step(v, x, t, h) - y, y.new_ones(y.shape[0], 1)
    limit = TOLERANCE * torch.finfo(y.dtype).eps * (y.shape[1] ** 0.5 + row_norms(y))
    for _ in range(MAX_ITERATIONS):
        rows = ((row_norms(off) > limit) & (share > MIN_SHARE)).squeeze(1).nonzero().squeeze(1)
        if not len(rows):
            break
        trial = x[rows] - share[rows] * off[rows]
        missed = take_step(partial(v, rows=rows), trial, t, h) - y[rows]
        better = row_norms(missed) < row_norms(off[rows])
        x[rows], off[rows] = torch.where(better, trial, x[rows]), torch.where(better, missed, off[rows])
        share[rows] = torch.where(better, share[rows], share[rows] / 2)
    return x


def row_norms(x: Tensor) -> Tensor:
    """Compute the length (N, 1) of each vector (N, D)."""
    found: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return found


def log_determinants(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Compute the log-determinants (N,) of `take_step` exactly, by a backward pass for each dimension."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        rows = take_step(v, x, t, h).sum(0)
        found = [torch.autograd.grad(row, x, retain_graph=True)[0] for row in rows]
    log_abs_det: Tensor = torch.linalg.slogdet(torch.stack(found, 1)).logabsdet
    return log_abs_det


def estimate_log_determinants(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Estimate the integral (N,) of the divergence from t to t + h, without bias but for the error of the method.

    The divergence is that of Hutchinson's estimate with a random sign in each dimension (Grathwohl et al. 2018,
    arXiv:1810.01367).
    """
    signs = random_signs(x)
    first, trace = velocity_and_trace(v, x, t, signs)
    return h / 2 * (trace + velocity_and_trace(v, x + h * first, t + h, signs)[1])


def random_signs(like: Tensor) -> Tensor:
    """Sample 1 or -1 with equal probability, in the shape and type of a tensor."""
    return torch.randint_like(like, 2) * 2 - 1


def velocity_and_trace(v: Velocity, x: Tensor, t: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the velocity (N, D), and an estimate (N,) of the trace of its Jacobian."""
    with torch.inference_mode(False), torch.enable_grad():
        signs, x = signs.detach().clone(), x.detach().clone().requires_grad_()
        found = v(x, t)
        (product,) = torch.autograd.grad(found, x, signs)
    return found.detach(), (product * signs).sum(1)
