"""Retrieval of captions: whether the likelihood of a picture is highest under its own caption."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.core import Batch
from zoo.data import Pictures, batches
from zoo.models import EVAL_BATCH, Generator, Posterior, dequantise, fixed_seed
from zoo.registry import Outputs
from zoo_metrics.likelihood import evenly_spaced


def caption_retrieval(found: Outputs, candidates: int, most: int) -> dict[str, float] | None:
    """Compute `retrieval` and `retrieval_chance`; None for a model that reads no captions, or pictures without them.

    `retrieval` is the share of pictures that are likeliest under their own caption, among so many candidates with those
    of other pictures; `retrieval_chance` is the share to expect from guessing. The distortion of a picture does not
    depend on the caption, so the density of its codes decides.
    """
    model = found.model
    if not isinstance(model, Generator) or not model.reads_captions or (texts := found.pictures.texts) is None:
        return None
    pool = torch.tensor(sorted({*texts.first.tolist()} - {-1}), dtype=torch.int64)
    others = min(candidates - 1, len(pool) - texts.index.shape[1])
    if others < 1:
        return None
    captioned = found.pictures.subset((texts.first >= 0).nonzero().flatten())
    hits = first_ranks(model, evenly_spaced(captioned, most), pool, others)
    return {"retrieval": hits.double().mean().item(), "retrieval_chance": 1 / (others + 1)}


def first_ranks(model: Generator, pictures: Pictures, pool: Tensor, others: int) -> Tensor:
    """Whether each picture is likeliest under its own caption, bool (N,) on the CPU, with the same draws every time."""
    assert pictures.texts is not None
    draw, hits = torch.Generator().manual_seed(0), []
    device = next(model.parameters()).device
    choices = torch.stack([choose(own, pool, others, draw) for own in pictures.texts.index]).to(device)
    with torch.inference_mode(), fixed_seed(device):
        for start, batch in enumerate(batches(pictures, EVAL_BATCH, device)):
            scores = caption_scores(model, batch, choices[start * EVAL_BATCH :][: len(batch.y)])
            hits.append((scores[:, :1] > scores[:, 1:]).all(1).cpu())
    return torch.cat(hits)


def choose(own: Tensor, pool: Tensor, others: int, draw: torch.Generator) -> Tensor:
    """Choose the first of a picture's `own` captions and so many of the `pool` that are none of them, by index."""
    shuffled = pool[torch.randperm(len(pool), generator=draw)]
    return torch.cat([own[:1], shuffled[~torch.isin(shuffled, own)][:others]])


def caption_scores(model: Generator, batch: Batch, choices: Tensor) -> Tensor:
    """Compute scores (N, K) of each picture under each of its captions, by index (N, K): the higher, the likelier.

    They are log-densities of code words, or the expected ones of continuous codes but for the entropy of the posterior,
    which no caption changes. Estimates use the same random draws for all captions.
    """
    code = model.codec.encode(dequantise(batch.x))
    columns = []
    for index in choices.unbind(1):
        condition = model.text.by_index(index)
        with fixed_seed(batch.x.device):
            if isinstance(code, Posterior):
                columns.append(-model.prior.kl(code, condition).value)
            else:
                columns.append(model.prior.log_prob(code, condition))
    return torch.stack(columns, 1)
