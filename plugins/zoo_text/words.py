"""Words: a vector for each, learnt together with the prior; a text is the sum of its words."""

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
    """The words of a text: letters and digits that stand together, capitals or not."""
    return WORD.findall(text.casefold())


class Words(TextEncoder):
    """A bag of words (as in Joulin et al. 2016, arXiv:1607.01759), so that a sum of texts is a text of both."""

    table: Tensor
    counts: Tensor
    starts: Tensor

    def __init__(self, spec: WordsSpec, info: DataInfo) -> None:
        super().__init__()
        self.size = spec.size
        texts = [[each.format(name) for name in names for each in spec.templates] for names in info.names]
        rows = [names[0] for names in info.names] + [text for each in texts for text in each]
        self.known = sorted({word for text in rows for word in words_of(text)})
        self.spoken = list(dict.fromkeys(word for names in info.names for name in names for word in words_of(name)))
        self.vectors = nn.EmbeddingBag(len(self.known) + 1, spec.size, mode="sum", padding_idx=len(self.known))
        nn.init.normal_(self.vectors.weight)
        counts = torch.tensor([len(each) for each in texts])
        self.register_buffer("table", self.padded([self.numbers(text) for text in rows]), persistent=False)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("starts", len(texts) + counts.cumsum(0) - counts, persistent=False)

    def numbers(self, text: str) -> list[int]:
        """The numbers of the words of a text; ZooError where one is not known, or where there is none."""
        words = words_of(text)
        for word in words:
            if word not in self.known:
                raise ZooError(f"no word {word[:80]!r} in what it learnt", unknown_word_hint(word, self.spoken))
        if not words:
            raise ZooError(f"no word in the text {text[:80]!r}", unknown_word_hint("", self.spoken))
        return [self.known.index(word) for word in words]

    def padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Numbers of words int64 (N, longest), that of no word at the end of shorter ones."""
        longest = max(map(len, rows))
        return torch.tensor([[*row, *[len(self.known)] * (longest - len(row))] for row in rows])

    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = self.padded([self.numbers(text) for text in texts])
        found: Tensor = self.vectors(rows.to(self.vectors.weight.device))
        return found

    def labels(self, y: Tensor) -> Tensor:
        """Of the bare names, and in training of one of all texts of each class."""
        found: Tensor = self.vectors(self.table[self.drawn(y) if self.training else y])
        return found

    def drawn(self, y: Tensor) -> Tensor:
        """Rows of the table int64 (N,): a text of each class, all of a class equally likely."""
        return self.starts[y] + (torch.rand(len(y), device=y.device) * self.counts[y]).long()
