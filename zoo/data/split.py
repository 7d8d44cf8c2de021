"""Training, validation and test splits, stratified by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.core.errors import DataError
from zoo.core.notes import note
from zoo.core.sections import DataSpec
from zoo.core.types import DataInfo
from zoo.data.dataset import (
    Loaded,
    Pictures,
    Splits,
    check_loaded,
    has_texts,
    leave_out_empty_classes,
    mean_std,
    require_all_classes,
)
from zoo.data.texts import join_texts, share_table, some_texts, vocabulary


def split(loaded: Loaded, spec: DataSpec) -> Splits:
    """Split into training, validation and test pictures, stratified by class and chosen by `split_seed`.

    Splits that the data set provides are kept; classes without training pictures are left out. The order comes from the
    raw 64-bit output of PCG64, which NumPy keeps unchanged, so that the same seed gives the same split everywhere.
    Raises DataError if the pictures cannot be used.
    """
    check_loaded(loaded)
    loaded = leave_out_empty_classes(loaded)
    if spec.imbalance is not None:
        loaded = long_tailed(loaded, spec.imbalance, spec.split_seed)
    train, own = loaded.train, (loaded.test, loaded.valid)
    shares = [0.0 if part else share for part, share in zip(own, (spec.test, spec.valid), strict=True)]
    *kept, rest = stratified_rows(train.y.numpy(), shares, spec.split_seed)
    # Copies release the memory-mapped cache, which would otherwise use the memory twice.
    test, valid = (
        train.subset(sorted_rows(rows)) if part is None else part.subset(torch.arange(len(part)))
        for part, rows in zip(own, kept, strict=True)
    )
    train = train.subset(sorted_rows(rest[: spec.limit]))
    if spec.folds is not None and spec.fold is not None:
        train, valid, test = hold_out(train, valid, spec.folds, spec.fold, spec.split_seed)
    require_all_classes(train, loaded.classes)
    train, valid, test = with_shared_texts(train, valid, test)
    channels, height, width = train.x.shape[1:]
    shape, words, examples = (channels, height, width), vocabulary(train.texts), some_texts(train.texts)
    if has_texts(train) and not words:
        raise DataError("no text of the training pictures has a word of letters or digits", "check the texts")
    info = DataInfo(shape, loaded.classes, *mean_std(train), loaded.captions, words, examples)
    return Splits(train, valid, test, info)


def with_shared_texts(*parts: Pictures) -> tuple[Pictures, ...]:
    """Give the texts of all splits one table; pictures of a data set without texts stay as they are."""
    texts = share_table([part.texts for part in parts])
    return tuple(replace(part, texts=each) for part, each in zip(parts, texts, strict=True))


def hold_out(train: Pictures, valid: Pictures, folds: int, fold: int, seed: int) -> tuple[Pictures, Pictures, Pictures]:
    """Cut training and validation pictures anew for cross-validation: a fold is held out in place of the test split.

    Within each class the pictures are dealt to the folds in an order that the seed gives; the only picture of a class
    stays in training. The share of the others that is kept for validation is as before, so that what chooses the epoch
    is not what is measured.
    """
    note(f"fold {fold} of {folds} stands in for the test pictures, which are not used", usual=True)
    pool = join([train, valid])
    y = pool.y.numpy()
    keys = np.random.PCG64([seed, folds]).random_raw(len(y))
    held = np.zeros(len(y), dtype=bool)
    held[np.lexsort((keys, y))[fold - 1 :: folds]] = True
    held &= np.bincount(y)[y] > 1
    if not held.any():
        raise DataError(f"fold {fold} of {folds} has no picture", "set data.folds lower")
    rest = pool.subset(torch.from_numpy(np.flatnonzero(~held)))
    rows, others = stratified_rows(rest.y.numpy(), [len(valid) / len(y)], seed)
    parts = rest.subset(sorted_rows(others)), rest.subset(sorted_rows(rows))
    return *parts, pool.subset(torch.from_numpy(np.flatnonzero(held)))


def join(parts: Sequence[Pictures]) -> Pictures:
    """Join pictures, which keep their names if all have some."""
    x, y = (torch.cat([getattr(part, name) for part in parts]) for name in ("nhwc", "y"))
    named = all(part.names or not len(part) for part in parts)
    names = tuple(name for part in parts for name in part.names) if named else ()
    texts = join_texts([part.texts for part in parts], [len(part) for part in parts])
    return Pictures(x.permute(0, 3, 1, 2), y, names, texts)


def sorted_rows(rows: NDArray[np.int64]) -> Tensor:
    """Sort rows into file order, in which a memory-mapped set is read fastest."""
    return torch.from_numpy(np.sort(rows))


def stratified_rows(y: NDArray[np.int64], shares: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Sample rows for each share, stratified by class and without replacement; the rest comes last.

    Every prefix of the rest has the class proportions. A class keeps one picture for training, and provides at least
    one to each share if it can.
    """
    keys = np.random.PCG64(seed).random_raw(len(y))
    piles: list[list[NDArray[np.int64]]] = [[] for _ in range(len(shares) + 1)]
    ranks: list[NDArray[np.float64]] = []
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        members = members[np.argsort(keys[members], kind="stable")]
        total = len(members)
        for pile, share in zip(piles, shares, strict=False):
            count = min(max(1, round(share * total)), len(members) - 1) if share else 0
            pile.append(members[:count])
            members = members[count:]
        piles[-1].append(members)
        ranks.append((np.arange(len(members)) + 0.5) / len(members))
    *parts, rest = [np.concatenate(pile) for pile in piles]
    return [*parts, rest[np.lexsort((keys[rest], np.concatenate(ranks)))]]


def long_tailed(loaded: Loaded, imbalance: float, seed: int) -> Loaded:
    """Keep the share imbalance^(-k / (K - 1)) of class k of K, at least one picture, sampled by the seed."""
    if not loaded.classes:
        raise DataError("data.imbalance needs classes, and the data has none", "leave it out")
    last = max(1, len(loaded.classes) - 1)

    def subsample(part: Pictures) -> Pictures:
        y, keys = part.y.numpy(), np.random.PCG64(seed).random_raw(len(part))
        kept = []
        for label in range(len(loaded.classes)):
            members = np.flatnonzero(y == label)
            members = members[np.argsort(keys[members], kind="stable")]
            kept.append(members[: max(1, round(len(members) * imbalance ** (-label / last)))])
        return part.subset(sorted_rows(np.concatenate(kept)))

    parts: dict[str, Any] = {name: subsample(part) for name, part in loaded.parts().items()}
    return replace(loaded, **parts)
