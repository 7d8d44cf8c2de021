"""The base of text encoders that learn a vector for each word of class names or captions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo import DataInfo
from zoo.core import ZooError
from zoo.data import words_of
from zoo.models import TextEncoder, unknown_word_hint
from zoo_text.spec import TokensSpec, WordsSpec


class WordEncoder(TextEncoder):
    """A text encoder whose vocabulary is that of the captions, or else of class names in templates.

    A subclass implements `embed`. Words of other captions that the training pictures do not have are left out of these;
    in a prompt they are refused.
    """

    table: Tensor
    counts: Tensor
    starts: Tensor
    given: Tensor

    def __init__(self, spec: WordsSpec | TokensSpec, info: DataInfo, length: int | None = None) -> None:
        super().__init__()
        self.size, self.length = spec.size, length
        self.captioned = bool(info.words)
        self.names = info.names
        named = () if self.captioned else info.names
        texts = [[each.format(name) for name in names for each in spec.templates] for names in named]
        rows = [names[0] for names in named] + [text for each in texts for text in each]
        self.known = list(info.words) or sorted({word for text in rows for word in words_of(text)})
        self.index = {word: index for index, word in enumerate(self.known)}
        of_names = dict.fromkeys(word for names in info.names for name in names for word in words_of(name))
        self.name_words = self.known if self.captioned else list(of_names)
        counts = torch.tensor([len(each) for each in texts], dtype=torch.int64)
        self.register_buffer("table", self.pad([self.word_indices(text) for text in rows]), persistent=False)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("starts", len(texts) + counts.cumsum(0) - counts, persistent=False)
        self.register_buffer("given", torch.full((1, 1), len(self.known)), persistent=False)

    def embed(self, rows: Tensor) -> Tensor:
        """Encode rows of word indices int64 (N, L), padded at the end with the number of known words.

        Returns float32 (N, size), zeros for a row without words.
        """
        raise NotImplementedError

    def word_indices(self, text: str) -> list[int]:
        """Return the indices of the words of a text.

        Raises ZooError for an unknown word, or if there is none or too many.
        """
        words = words_of(text)
        for word in words:
            if word not in self.index:
                raise ZooError(f"unknown word {word[:80]!r}", unknown_word_hint(word, self.name_words))
        if not words:
            raise ZooError(f"the text {text[:80]!r} contains no word", unknown_word_hint("", self.name_words))
        if self.length and len(words) > self.length:
            hint = f"use at most {self.length}, or train with a larger text.length"
            raise ZooError(f"the text {text[:80]!r} has {len(words)} words", hint)
        return [self.index[word] for word in words]

    def pad(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Pad rows of word indices to int64 (N, longest) with the index of no word."""
        longest = max(map(len, rows), default=1)
        padded = [[*row, *[len(self.known)] * (longest - len(row))] for row in rows]
        return torch.tensor(padded, dtype=torch.int64).view(len(rows), longest)

    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = self.pad([self.word_indices(text) for text in texts])
        return self.embed(rows.to(self.given.device))

    def labels(self, y: Tensor) -> Tensor:
        """Encode classes by their names, in training by a random text of each class."""
        if self.captioned:
            return self.encode([names[0] for names in self.names])[y]
        return self.embed(self.table[self.sample_rows(y) if self.training else y])

    def sample_rows(self, y: Tensor) -> Tensor:
        """Sample rows of the table int64 (N,): a text of each class, uniformly among its texts."""
        return self.starts[y] + (torch.rand(len(y), device=y.device) * self.counts[y]).long()

    def set_texts(self, texts: Sequence[str]) -> None:
        """Receive the captions to which `by_index` refers; unknown words are left out of them."""
        rows = [[self.index[word] for word in words_of(text) if word in self.index][: self.length] for text in texts]
        self.given = self.pad([*rows, []]).to(self.given.device)

    def by_index(self, index: Tensor) -> Tensor:
        """Encode captions by their indices int64 (N,); those of the index -1 are zeros."""
        return self.embed(self.given[index])


def word_vectors(count: int, size: int) -> nn.Embedding:
    """Make vectors of so many words and of padding, which stays 0."""
    vectors = nn.Embedding(count + 1, size, padding_idx=count)
    nn.init.normal_(vectors.weight)
    with torch.no_grad():
        vectors.weight[count] = 0
    return vectors
