"""An ordinary differential equation solved by Heun's method, whose steps are inverted and have log-determinants."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""Maps vectors (N, D) and a time from 0 to 1 to velocities (N, D)."""
MAX_ITERATIONS, MIN_SHARE = 100, 1e-3
"""Most iterations that invert a step, of which smooth velocities need about four, and least share of a change."""
TOLERANCE = 16
"""Relative error of an inverted step, in units of the last digit."""


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
    """
    x = take_step(v, y, t + h, -h)
    if y.device.type == "meta":
        return x
    off, share = take_step(v, x, t, h) - y, y.new_ones(y.shape[0], 1)
    limit = TOLERANCE * torch.finfo(y.dtype).eps * (1 + y.abs())
    for _ in range(MAX_ITERATIONS):
        if not ((off.abs() > limit) & (share > MIN_SHARE)).any():
            break
        trial = x - share * off
        missed = take_step(v, trial, t, h) - y
        better = missed.norm(dim=1, keepdim=True) < off.norm(dim=1, keepdim=True)
        x, off = torch.where(better, trial, x), torch.where(better, missed, off)
        share = torch.where(better, share, share / 2)
    return x


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
