"""A text encoder with learnt word vectors; a text is the sum of its words."""

from __future__ import annotations

from torch import Tensor, nn

from zoo import DataInfo
from zoo_text.spec import WordsSpec
from zoo_text.vocabulary import WordEncoder


class Words(WordEncoder):
    """A bag-of-words encoder (as in Joulin et al. 2016, arXiv:1607.01759): texts add up by their words.

    It does not know the order of the words.
    """

    def __init__(self, spec: WordsSpec, info: DataInfo) -> None:
        super().__init__(spec, info)
        self.vectors = nn.EmbeddingBag(len(self.known) + 1, spec.size, mode="sum", padding_idx=len(self.known))
        nn.init.normal_(self.vectors.weight)

    def embed(self, rows: Tensor) -> Tensor:
        found: Tensor = self.vectors(rows)
        return found
