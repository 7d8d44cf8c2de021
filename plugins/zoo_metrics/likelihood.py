"""Metrics from likelihoods: use and cost of code words, and the importance-weighted bound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from zoo.core import Batch
from zoo.data import Pictures, batches
from zoo.models import EVAL_BATCH, PIXEL_LEVELS, Generator, Posterior, as_float32, dequantise, fixed_seed
from zoo.registry import Outputs


def code_usage(found: Outputs) -> dict[str, Any] | None:
    """How much of the words is used, and what one costs; None of other models."""
    model = found.model
    if not isinstance(model, Generator) or model.codec.code.words is None:
        return None
    share = shares(model, found.pictures, model.codec.code.words)
    entropy = -torch.special.xlogy(share, share).sum().item()
    bits = found.means["rate"] / (model.codec.code.size * math.log(2))
    return {"codes_used": (share > 0).double().mean().item(), "codes_perplexity": math.exp(entropy), "codes_bits": bits}


def shares(model: Generator, pictures: Pictures, words: int) -> Tensor:
    """How often each word is used for pictures, as shares (words,) of all."""
    counts = torch.zeros(words, dtype=torch.float64)
    device = next(model.parameters()).device
    with torch.inference_mode():
        for batch in batches(pictures, EVAL_BATCH, device):
            counts += torch.bincount(model.codes(batch.x).flatten().cpu(), minlength=words)
    return counts / counts.sum()


def weighted_bound(found: Outputs, draws: int, most: int) -> dict[str, float] | None:
    """The importance-weighted bound (Burda et al. 2015, arXiv:1509.00519); None of models without continuous codes.

    `iwae` is in bits a number of the picture, of pictures with uniform noise as `loss` is. `iwae_gap` is the bound of
    one draw, a mean over the same draws, minus `iwae`: never negative. It leaves out what a rate in closed form that
    is only a bound adds to `loss`.
    """
    model = found.model
    if not isinstance(model, Generator) or model.codec.code.words is not None:
        return None
    weights = all_weights(model, spread(found.pictures, most), draws)
    bits = -1 / (model.size * math.log(2))
    many = bits * (weights.logsumexp(0) - math.log(draws)).mean()
    one = bits * weights.mean()
    return {"iwae": many.item() + math.log2(PIXEL_LEVELS), "iwae_gap": (one - many).clamp(min=0).item()}


def spread(pictures: Pictures, most: int) -> Pictures:
    """At most so many of the pictures, evenly spread: a folder's come class by class."""
    if len(pictures) <= most:
        return pictures
    return pictures.subset(torch.arange(most, device=pictures.x.device) * len(pictures) // most)


def all_weights(model: Generator, pictures: Pictures, draws: int) -> Tensor:
    """Logarithms of the importance weights, float64 (draws, N) on the CPU; the same draws each time."""
    device = next(model.parameters()).device
    with torch.inference_mode(), fixed_seed(device):
        return torch.cat([log_weights(model, batch, draws) for batch in batches(pictures, EVAL_BATCH, device)], 1)


def log_weights(model: Generator, batch: Batch, draws: int) -> Tensor:
    """log p(x, z) - log q(z | x) of codes z drawn from q, float64 (draws, N) on the CPU."""
    x, condition, rows = dequantise(batch.x), model.condition(batch.y), []
    q = model.posterior(x)
    for _ in range(draws):
        z = q.sample()
        joint = model.prior.log_prob(z, condition) - model.codec.distortion(x, model.codec.decode(z))
        rows.append(joint - log_density(q, z))
    return torch.stack(rows).cpu().double()


def log_density(q: Posterior, z: Tensor) -> Tensor:
    """Nats (N,) of codes (N, *shape) under posteriors."""
    log_std = as_float32(q.log_std)
    off = (z - as_float32(q.mean)) / log_std.exp()
    return -(off.square() / 2 + log_std + math.log(2 * math.pi) / 2).flatten(1).sum(1)
