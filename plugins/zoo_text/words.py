"""A text encoder with learnt word vectors; a text is the sum of its words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo import DataInfo
from zoo.core import ZooError
from zoo.models import TextEncoder, unknown_word_hint
from zoo_text.spec import WordsSpec

WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words: runs of letters and digits."""
    return WORD.findall(text.casefold())


class Words(TextEncoder):
    """A bag-of-words encoder (as in Joulin et al. 2016, arXiv:1607.01759): texts add up by their words."""

    table: Tensor
    counts: Tensor
    starts: Tensor

    def __init__(self, spec: WordsSpec, info: DataInfo) -> None:
        super().__init__()
        self.size = spec.size
        texts = [[each.format(name) for name in names for each in spec.templates] for names in info.names]
        rows = [names[0] for names in info.names] + [text for each in texts for text in each]
        self.known = sorted({word for text in rows for word in words_of(text)})
        self.name_words = list(dict.fromkeys(word for names in info.names for name in names for word in words_of(name)))
        self.vectors = nn.EmbeddingBag(len(self.known) + 1, spec.size, mode="sum", padding_idx=len(self.known))
        nn.init.normal_(self.vectors.weight)
        counts = torch.tensor([len(each) for each in texts])
        self.register_buffer("table", self.pad([self.word_indices(text) for text in rows]), persistent=False)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("starts", len(texts) + counts.cumsum(0) - counts, persistent=False)

    def word_indices(self, text: str) -> list[int]:
        """Return the indices of the words of a text.

        Raises ZooError for an unknown word, or if there is none.
        """
        words = words_of(text)
        for word in words:
            if word not in self.known:
                raise ZooError(f"unknown word {word[:80]!r}", unknown_word_hint(word, self.name_words))
        if not words:
            raise ZooError(f"the text {text[:80]!r} contains no word", unknown_word_hint("", self.name_words))
        return [self.known.index(word) for word in words]

    def pad(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Pad rows of word indices to int64 (N, longest) with the index of no word."""
        longest = max(map(len, rows))
        return torch.tensor([[*row, *[len(self.known)] * (longest - len(row))] for row in rows])

    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = self.pad([self.word_indices(text) for text in texts])
        found: Tensor = self.vectors(rows.to(self.vectors.weight.device))
        return found

    def labels(self, y: Tensor) -> Tensor:
        """Encode classes by their names, in training by a random text of each class."""
        found: Tensor = self.vectors(self.table[self.sample_rows(y) if self.training else y])
        return found

    def sample_rows(self, y: Tensor) -> Tensor:
        """Sample rows of the table int64 (N,): a text of each class, uniformly among its texts."""
        return self.starts[y] + (torch.rand(len(y), device=y.device) * self.counts[y]).long()
