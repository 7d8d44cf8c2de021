"""Text encoders: what becomes of words before a prior is told of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.core.errors import ZooError, nearest
from zoo.core.types import DataInfo

SHOWN = 20
"""Words that an error names at most."""


class TextEncoder(nn.Module):
    """Turns texts into conditions, vectors of numbers that may be added and weighed; all 0 stands for no text."""

    size: int
    """Numbers in a condition."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Conditions (N, size) of texts; ZooError, with the words that it knows, for one that it does not."""
        raise NotImplementedError

    def labels(self, y: Tensor) -> Tensor:
        """Conditions (N, size) of the classes int64 (N,); in training perhaps of one text of several for each."""
        raise NotImplementedError


class Classes(TextEncoder):
    """The class alone, as a one-hot vector, so that a sum of texts is exactly a sum of class vectors."""

    device: Tensor

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.names, self.size = info.names, len(info.classes)
        self.register_buffer("device", torch.zeros(0), persistent=False)

    def encode(self, texts: Sequence[str]) -> Tensor:
        numbers = [place(text, self.names) for text in texts]
        return self.labels(torch.tensor(numbers, device=self.device.device))

    def labels(self, y: Tensor) -> Tensor:
        return nn.functional.one_hot(y, self.size).float()


def unknown_word_hint(word: str, words: Sequence[str]) -> str:
    """A hint with the word that is meant, perhaps, and those that are known, or the first of very many."""
    more = len(words) - SHOWN
    listed = ", ".join(words[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    meant = nearest(word, words)
    return f"{meant} It knows {listed}" if meant.startswith("did you") else f"it knows {listed}"


def place(text: str, names: Sequence[Sequence[str]]) -> int:
    """The number of the class that is called so, in capitals or not; ZooError where there is none, or several."""
    for same in (str, str.casefold):
        found = [number for number, each in enumerate(names) if same(text) in map(same, each)]
        if len(found) == 1:
            return found[0]
    raise ZooError(f"no class {text[:80]!r}", unknown_word_hint(text, [each[0] for each in names]))
