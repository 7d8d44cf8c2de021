"""Pictures and labels that a caller has as arrays, kept in the cache under their fingerprint as a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.core.errors import DataError
from zoo.core.files import digest
from zoo.core.splits import SPLITS, split_of
from zoo.data.arrays import Array, as_array, has_channels_first, to_uint8
from zoo.data.cache import load_cached
from zoo.data.dataset import Loaded, Pictures
from zoo.data.texts import PictureText

Labelled: TypeAlias = tuple[Any, Any] | tuple[Any, Any, Any]
"""Pictures, uint8 or floats of 0 to 1, (N, H, W, C), (N, C, H, W) or (N, H, W); N labels, integers or texts; and
perhaps captions, N times a text, several or None. With captions the labels may be None."""
GivenArrays: TypeAlias = Labelled | Mapping[str, Labelled]
"""Pictures and labels, or those of each split by its name."""
KIND = "arrays"


def keep_arrays(data: GivenArrays) -> str:
    """Keep pictures and labels in the cache.

    Args:
        data: Pictures and labels, or those of each split by its name.

    Returns:
        Their fingerprint, by which the data kind `arrays` finds them.

    Raises:
        DataError: If they are no pictures and labels, or do not fit each other.
    """
    loaded = to_loaded(data)
    parts = {name: part.fingerprint() for name, part in loaded.parts().items()}
    fingerprint = digest({"classes": list(loaded.classes), **parts})
    load_cached(cache_key(fingerprint), lambda: loaded)
    return fingerprint


def cache_key(fingerprint: str) -> dict[str, Any]:
    """Return the key of arrays in the cache."""
    return {"kind": KIND, "fingerprint": fingerprint}


def to_loaded(data: GivenArrays) -> Loaded:
    """Convert arrays to a data set, whose classes are the labels in order."""
    parts = {check_name(name): pair for name, pair in data.items()} if isinstance(data, Mapping) else {"train": data}
    if "train" not in parts:
        raise DataError("the arrays have no split 'train'", "give {'train': (x, y), 'test': (x, y)}, or (x, y)")
    for name, pair in parts.items():
        if not isinstance(pair, Sequence) or len(pair) not in (2, 3):
            raise DataError(f"the {name} data are no pair of pictures and labels", "give (x, y), or (x, y, captions)")
    pictures = {name: to_pictures(pair[0]) for name, pair in parts.items()}
    labels = {name: to_labels(pair[1], len(pictures[name])) for name, pair in parts.items() if pair[1] is not None}
    if labels and len(labels) < len(parts):
        raise DataError("some splits have labels and others have none", "give labels for all, or None for all")
    values = np.unique(np.concatenate(list(labels.values()))) if labels else np.zeros(0)
    found = {}
    for name, x in pictures.items():
        y = np.searchsorted(values, labels[name]) if labels else np.zeros(len(x), np.int64)
        found[name] = Pictures.of(torch.tensor(x), y, texts=to_texts(*parts[name][2:], count=len(x)))
    classes = tuple(str(value) for value in values.tolist())
    return Loaded(found["train"], classes, test=found.get("test"), valid=found.get("valid"))


def check_name(name: str) -> str:
    """Return the split that a name means."""
    split = split_of(str(name))
    if split is None:
        raise DataError(f"{name!r} is no split", f"use {', '.join(SPLITS)}")
    return split


def to_pictures(x: Any) -> NDArray[np.uint8]:
    """Return pictures as uint8 (N, H, W, C); DataError for anything else."""
    found = as_array(x if isinstance(x, Tensor) else to_array(x, "the pictures"))
    if found.ndim == 3:
        found = found[..., None]
    elif found.ndim == 4 and has_channels_first(found.shape[1:], (3, 0, 0), by_torch=isinstance(x, Tensor)):
        found = found.transpose(0, 2, 3, 1)
    if found.ndim != 4 or not found.size:
        raise DataError(f"the pictures have the shape {found.shape}", "give (N, H, W, C), (N, C, H, W) or (N, H, W)")
    return to_uint8(found)


def to_labels(y: Any, count: int) -> Array:
    """Return the labels (N,) as integers or text; DataError if they are something else, or not one for each picture."""
    found = y.detach().cpu().numpy() if isinstance(y, Tensor) else to_array(y, "the labels")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (count,):
        hint = "give one label for each picture" + (", e.g. y.argmax(1)" if found.ndim == 2 else "")
        raise DataError(f"there are {count} pictures, and labels of shape {found.shape}", hint)
    if found.dtype.kind == "O" and all(isinstance(value, str) for value in found):
        found = found.astype(str)
    if found.dtype.kind not in "iubU":
        raise DataError(f"labels of the type {found.dtype} are neither integers nor text", "convert them")
    if found.dtype.kind != "u":
        return found
    # beside signed ones of another split, NumPy would make both fractions
    if found.size and found.max() > np.iinfo(np.int64).max:
        raise DataError(f"the label {found.max()} is too large", "number the classes from 0")
    return found.astype(np.int64)


def to_texts(texts: Any = None, *, count: int) -> list[PictureText] | None:
    """Return the captions of each picture; DataError if they are not one for each picture."""
    if texts is None:
        return None
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise DataError(f"the captions are a {type(texts).__name__}", "give a list with the captions of each picture")
    rows = list(texts)
    if len(rows) != count:
        raise DataError(f"there are {count} pictures, and captions of {len(rows)}", "give captions for each, or None")
    return rows


def to_array(values: Any, what: str) -> Array:
    """Return anything like an array as one; DataError if it is none."""
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} are no array: {str(error)[:120]}", "give arrays of one shape") from None
