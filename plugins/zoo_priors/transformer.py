"""A decoder-only transformer over code words (as over those of a VQ-VAE in Esser et al. 2020, arXiv:2012.09841)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo.core import ZooError
from zoo.models import Prior, Term, as_float32, single_term
from zoo_priors.attention import INIT_STD, Block, Cache
from zoo_priors.spec import TransformerSpec

MIN_TEMPERATURE = 1e-4
"""Smallest temperature; at this one the likeliest word is practically certain."""


class Transformer(Prior):
    """An autoregressive prior: each word given the condition and the words before it, row by row.

    The condition's embedding is added to every token and is linear in the condition: half one class and half another
    has the mean of their embeddings. Without a condition, a learnt vector takes its place.
    """

    conditional = True
    multiplies = True
    renamed_parameters: ClassVar[dict[str, str]] = {"places": "positions", "nothing": "unconditional"}

    def __init__(self, spec: TransformerSpec, code: CodeInfo) -> None:
        super().__init__(code)
        if code.words is None:
            raise ZooError(
                "transformer is a prior over code words, but this model has continuous codes",
                "choose another prior.kind",
            )
        self.spec, self.words = spec, code.words
        self.embedding = nn.Embedding(self.words, spec.width)
        self.first = nn.Parameter(INIT_STD * torch.randn(spec.width))
        self.positions = nn.Parameter(INIT_STD * torch.randn(code.size, spec.width))
        self.unconditional = nn.Parameter(torch.zeros(spec.width))
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, spec.dropout) for _ in range(spec.layers))
        self.norm = nn.RMSNorm(spec.width)
        self.head = nn.Linear(spec.width, self.words)
        nn.init.normal_(self.embedding.weight, std=INIT_STD)
        # All words are equally likely at first, so that while the codec trains, only its distortion counts.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.conditions = nn.Linear(code.condition, spec.width, bias=False)
        nn.init.normal_(self.conditions.weight, std=INIT_STD)

    def context(self, n: int, condition: Tensor | None) -> Tensor:
        """Compute the vector (n, 1, width) to add to each token; in training some conditions are dropped."""
        unconditional = self.unconditional.expand(n, -1)
        if condition is None:
            return unconditional.unsqueeze(1)
        found = cast(Tensor, self.conditions(condition.to(self.first)))
        hidden = (condition == 0).all(1, keepdim=True)  # zeros stand for no text
        if self.training:
            hidden = hidden | (torch.rand(n, 1, device=found.device) < self.spec.label_dropout)
        return torch.where(hidden, unconditional, found).unsqueeze(1)

    def tokens(self, words: Tensor) -> Tensor:
        """Embed words (N, T) as tokens (N, T + 1, width), with a start token but without positions."""
        return torch.cat([self.first.expand(len(words), 1, -1), self.embedding(words)], 1)

    def scores(self, tokens: Tensor, caches: Sequence[Cache | None]) -> Tensor:
        """Compute log-probabilities (N, T, words) of the word after each token."""
        for block, cache in zip(self.blocks, caches, strict=True):
            tokens = block(tokens, cache)
        return as_float32(self.head(self.norm(tokens))).log_softmax(-1)

    def log_probs(self, words: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute log-probabilities (N, size, words) at each position, given the words (N, size) before it."""
        tokens = self.tokens(words[:, :-1]) + self.positions + self.context(len(words), condition)
        return self.scores(tokens, [None] * len(self.blocks))

    def log_prob(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        words = code.reshape(len(code), self.code.size)
        found = self.log_probs(words, condition)
        return found.gather(2, words.unsqueeze(2)).sum((1, 2))

    @torch.no_grad()
    def sample(self, n: int, condition: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        return self.blend(n, single_term(condition), temperature)

    @torch.no_grad()
    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        words = self.first.new_zeros(n, 0, dtype=torch.int64)
        caches = [[Cache() for _ in self.blocks] for _ in terms]
        contexts = [self.context(n, term.condition) for term in terms]
        for position in self.positions:
            token = self.tokens(words[:, -1:])[:, -1:] + position
            scores = [
                term.weight * self.scores(token + context, cache)[:, 0]
                for term, context, cache in zip(terms, contexts, caches, strict=True)
            ]
            words = torch.cat([words, draw(torch.stack(scores).sum(0), temperature)], 1)
        return words.reshape(n, *self.code.shape)

    @property
    def noise_size(self) -> int:
        return self.code.size

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        n = noise.shape[0]
        context, caches, words = self.context(n, condition), [Cache() for _ in self.blocks], list[Tensor]()
        token = self.first.expand(n, 1, -1)
        for position, each in zip(self.positions, noise.unbind(1), strict=True):
            words.append(pick(self.scores(token + position + context, caches)[:, 0], each))
            token = self.embedding(words[-1]).unsqueeze(1)
        return torch.stack(words, 1).reshape(n, *self.code.shape)


def pick(scores: Tensor, noise: Tensor) -> Tensor:
    """Choose words (N,) with log-probabilities (N, words) by standard normal noise (N,), through its quantiles."""
    above: Tensor = torch.special.ndtr(noise).unsqueeze(1) > scores.exp().cumsum(1)[:, :-1]
    return above.sum(1)


def draw(scores: Tensor, temperature: float) -> Tensor:
    """Sample words (N, 1) with log-probabilities `scores` (N, words) / temperature, up to a constant."""
    return torch.multinomial((scores / max(temperature, MIN_TEMPERATURE)).softmax(-1), 1)
