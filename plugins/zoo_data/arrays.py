"""Pictures and labels that were given to the zoo as arrays in Python, from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from zoo.core import DataError, DataInfo, DataSpec

if TYPE_CHECKING:
    from zoo.data import Loaded


class ArraysSpec(DataSpec):
    """Options of arrays that were given in Python, as `zoo.train(..., data=(x, y))`."""

    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Fingerprint of the pictures and labels, by which they are found in the cache."""


def info(spec: ArraysSpec) -> DataInfo:
    """Describe the pictures: their shape and classes."""
    from zoo.data import some_texts, vocabulary

    loaded = load(spec)
    channels, height, width = loaded.train.x.shape[1:]
    texts = loaded.train.texts
    words, examples = vocabulary(texts), some_texts(texts)
    return DataInfo.of((channels, height, width), loaded.classes, words=words, examples=examples)


def load(spec: ArraysSpec) -> Loaded:
    """Load the pictures from the cache; DataError if they are not there any more."""
    from zoo.data import load_cached

    def missing() -> Loaded:
        text = (
            f"the data were arrays in Python, and those of the fingerprint {spec.fingerprint[:12]} are not in the cache"
        )
        raise DataError(text, "give the same arrays again, as zoo.train(..., data=(x, y))")

    return load_cached({"kind": "arrays", "fingerprint": spec.fingerprint}, missing)
