"""Metrics from likelihoods: usage and cost of code words, and the importance-weighted bound."""

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
    """Compute the usage of code words and the bits per code word.

    Returns None for a model without code words.
    """
    model = found.model
    if not isinstance(model, Generator) or model.codec.code.words is None:
        return None
    share = word_frequencies(model, found.pictures, model.codec.code.words)
    entropy = -torch.special.xlogy(share, share).sum().item()
    bits = found.means["rate"] / (model.codec.code.size * math.log(2))
    return {"codes_used": (share > 0).double().mean().item(), "codes_perplexity": math.exp(entropy), "codes_bits": bits}


def word_frequencies(model: Generator, pictures: Pictures, words: int) -> Tensor:
    """Compute the relative frequency (words,) of each code word in the codes of pictures."""
    counts = torch.zeros(words, dtype=torch.float64)
    device = next(model.parameters()).device
    with torch.inference_mode():
        for batch in batches(pictures, EVAL_BATCH, device):
            counts += torch.bincount(model.codes(batch.x).flatten().cpu(), minlength=words)
    return counts / counts.sum()


def importance_weighted_bound(found: Outputs, draws: int, most: int) -> dict[str, float] | None:
    """Compute the importance-weighted bound (Burda et al. 2015, arXiv:1509.00519).

    Returns None without continuous codes, and for a prior whose log-densities are estimates, since their noise would
    raise the bound.

    `iwae` is in bits per dimension, for pictures with uniform noise, as `loss`. `iwae_gap` is the bound from one draw,
    averaged over the same draws, minus `iwae`; it is never negative. The gap does not include what `loss` gains from a
    closed-form rate that is itself only an upper bound.
    """
    model = found.model
    if not isinstance(model, Generator) or model.codec.code.words is not None or not model.prior.exact:
        return None
    weights = log_weights(model, evenly_spaced(found.pictures, most), draws)
    bits = -1 / (model.size * math.log(2))
    many = bits * (weights.logsumexp(0) - math.log(draws)).mean()
    one = bits * weights.mean()
    return {"iwae": many.item() + math.log2(PIXEL_LEVELS), "iwae_gap": (one - many).clamp(min=0).item()}


def evenly_spaced(pictures: Pictures, most: int) -> Pictures:
    """Select at most `most` pictures, evenly spaced, since folders are sorted by class."""
    if len(pictures) <= most:
        return pictures
    return pictures.subset(torch.arange(most, device=pictures.x.device) * len(pictures) // most)


def log_weights(model: Generator, pictures: Pictures, draws: int) -> Tensor:
    """Compute log importance weights, float64 (draws, N) on the CPU, with a fixed seed."""
    device = next(model.parameters()).device
    with torch.inference_mode(), fixed_seed(device):
        return torch.cat([batch_log_weights(model, batch, draws) for batch in batches(pictures, EVAL_BATCH, device)], 1)


def batch_log_weights(model: Generator, batch: Batch, draws: int) -> Tensor:
    """Compute log p(x, z) - log q(z | x) of codes z sampled from q, float64 (draws, N) on the CPU."""
    x, condition, rows = dequantise(batch.x), model.batch_condition(batch), []
    q = model.posterior(x)
    for _ in range(draws):
        z = q.sample()
        joint = model.prior.log_prob(z, condition) - model.codec.distortion(x, model.codec.decode(z))
        rows.append(joint - log_density(q, z))
    return torch.stack(rows).cpu().double()


def log_density(q: Posterior, z: Tensor) -> Tensor:
    """Compute the log-density (N,) in nats of codes (N, *shape) under their posteriors."""
    log_std = as_float32(q.log_std)
    off = (z - as_float32(q.mean)) / log_std.exp()
    return -(off.square() / 2 + log_std + math.log(2 * math.pi) / 2).flatten(1).sum(1)
