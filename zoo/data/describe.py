"""Describe in one line what was read: classes, pictures, size, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.core.splits import SPLIT_WORDS
from zoo.data.dataset import Loaded, Pictures, Splits

MAX_CLASSES = 8
"""Classes that are named."""
EQUAL_CHUNK = 1024


def describe_splits(name: str, splits: Splits, loaded: Loaded) -> str:
    """Describe pictures and classes in one line, with what was done to them and left out."""
    classes = list(splits.info.classes)
    counts = [f"{len(getattr(splits, split)):,} {word}" for split, word in SPLIT_WORDS.items()]
    channels, height, width = splits.info.shape
    colour = {1: "grey", 3: "in colour"}.get(channels, f"of {channels} channels")
    notes = [*loaded.notes, *([describe_skipped(loaded.skipped)] if loaded.skipped else [])]
    return "; ".join(
        [
            f"{name}: {describe_classes(classes)}",
            f"{', '.join(counts[:-1])} and {counts[-1]} pictures of {width}x{height}, {colour}",
            *describe_texts(splits),
            *notes,
        ]
    )


def describe_classes(classes: Sequence[str]) -> str:
    """Count and name the classes."""
    if not classes:
        return "no classes"
    return f"{len(classes):,} class{'es' * (len(classes) != 1)} ({list_some(classes)})"


def describe_texts(splits: Splits) -> list[str]:
    """Describe how many texts the pictures have; empty if they have none."""
    parts = [part.texts for part in (splits.train, splits.valid, splits.test) if part.texts is not None]
    if not parts:
        return []
    counts = torch.cat([part.counts for part in parts])
    total, distinct, without = int(counts.sum()), len(parts[0].table), int((counts == 0).sum())
    captions = f"{total:,} captions, {distinct:,} of them different" if total > 1 else "1 caption"
    text = f"{captions}, with {len(splits.info.words):,} words"
    return [text + (f"; {without:,} pictures have none" if without else "")]


def describe_skipped(skipped: Sequence[tuple[str, str]]) -> str:
    """Describe the pictures that could not be read."""
    (first, reason), more = skipped[0], len(skipped) - 1
    return f"not readable: {first} ({reason}){f' and {more:,} more' if more else ''}"


def list_some(names: Sequence[str]) -> str:
    """List names; of many only the first."""
    return ", ".join([*names[:MAX_CLASSES], *(["..."] if len(names) > MAX_CLASSES else [])])


def all_equal(pictures: Pictures) -> bool:
    """Whether there are several pictures, and all have the same pixels."""
    nhwc = pictures.nhwc
    chunks = (nhwc[start : start + EQUAL_CHUNK] for start in range(0, len(nhwc), EQUAL_CHUNK))
    return len(nhwc) > 1 and all(bool((chunk == nhwc[:1]).all()) for chunk in chunks)


def describe_leak(splits: Splits) -> str:
    """Say how many validation and test pictures are among the training pictures, pixel for pixel; empty if none is."""
    train = pixel_hashes(splits.train)
    counts = {name: int(torch.isin(pixel_hashes(getattr(splits, name)), train).sum()) for name in ("valid", "test")}
    some = [f"{count:,} {SPLIT_WORDS[name]}" for name, count in counts.items() if count]
    if not some:
        return ""
    text = f"leak: {' and '.join(some)} pictures are training pictures too, so figures over them are too good"
    return f"{text}; zoo inspect shows them"


def pixel_hashes(pictures: Pictures) -> Tensor:
    """Compute a 64-bit hash of the pixels of each picture, int64 (N,): a sum of products with fixed random numbers."""
    rows = pictures.nhwc.flatten(1)
    draw = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**63), 2**63 - 1, (math.ceil(rows.shape[1] / 8),), generator=draw) | 1
    chunks = (F.pad(part, (0, -part.shape[1] % 8)).view(torch.int64) for part in torch.split(rows, EQUAL_CHUNK))
    return torch.cat([(words * factors).sum(1) for words in chunks])
