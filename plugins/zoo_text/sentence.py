"""Sentences: any text, by how near it is to the classes in what a frozen pretrained encoder makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import DataInfo
from zoo.models import TextEncoder, no_autocast
from zoo_text.minilm import embedded
from zoo_text.spec import SentenceSpec


class Sentence(TextEncoder):
    """Shares of the classes: attention of a text to the texts of each class, with the mean of all taken away first.

    Words that no picture was ever labelled with so become what is nearest, as in zero-shot classification (Radford et
    al. 2021, arXiv:2103.00020), and never numbers that the prior has not seen. Embeddings are computed where they are
    asked for first, and are kept in the cache folder.
    """

    device: Tensor

    def __init__(self, spec: SentenceSpec, info: DataInfo) -> None:
        super().__init__()
        self.spec, self.names, self.size = spec, info.names, len(info.classes)
        self.register_buffer("device", torch.zeros(0), persistent=False)
        self.found: tuple[Tensor, Tensor] | None = None
        self.shares = torch.zeros(0)

    def learnt(self) -> tuple[Tensor, Tensor]:
        """The mean of all texts (E,), and how far from it those of each class are, of length 1, (K, E)."""
        if self.found is None:
            each = [embedded(self.texts(label)).mean(0) for label in range(self.size)]
            mean = torch.stack(each).mean(0)
            self.found = mean, F.normalize(torch.stack(each) - mean, dim=1)
        return self.found

    def texts(self, label: int) -> list[str]:
        """All texts of a class; the bare name is the first."""
        names = self.names[label]
        made = [each.format(name) for name in names for each in self.spec.templates]
        return list(dict.fromkeys([names[0], *made]))

    def encode(self, texts: Sequence[str]) -> Tensor:
        mean, classes = self.learnt()
        with no_autocast(mean.device):
            cosines = F.normalize(embedded(texts) - mean, dim=1) @ classes.T
            return (self.spec.sharpness * cosines).softmax(1).to(self.device)

    def labels(self, y: Tensor) -> Tensor:
        """Of the bare names, and in training of one of all texts of each class."""
        if y.device.type == "meta":
            return y.new_zeros(len(y), self.size, dtype=torch.float32)
        table = self.table(y.device)
        draw = torch.randint(table.shape[1], y.shape, device=y.device) if self.training else torch.zeros_like(y)
        return table[y, draw]

    def table(self, device: torch.device) -> Tensor:
        """Conditions (K, texts, K) of as many texts of each class, those of a class with few over again."""
        if self.shares.device != device or not len(self.shares):
            each = [self.texts(label) for label in range(self.size)]
            most = max(map(len, each))
            rows = [self.encode([texts[place % len(texts)] for place in range(most)]) for texts in each]
            self.shares = torch.stack(rows).to(device)
        return self.shares
