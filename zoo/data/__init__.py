"""Pictures as tensors: decode, cache, split, load batches with augmentation."""

from __future__ import annotations

from zoo.data.augment import Augment, Mix, OneOf
from zoo.data.cache import file_stamps, load_cached
from zoo.data.dataset import Loaded, Pictures
from zoo.data.decode import (
    SAMPLE_COUNT,
    Chunk,
    NamedSource,
    Recipe,
    Skipped,
    decode_pictures,
    decoder_versions,
    infer_shape,
)
from zoo.data.loader import batches, reflect
from zoo.data.texts import PictureText, Texts, some_texts, vocabulary, words_of

__all__ = [
    "SAMPLE_COUNT",
    "Augment",
    "Chunk",
    "Loaded",
    "Mix",
    "NamedSource",
    "OneOf",
    "PictureText",
    "Pictures",
    "Recipe",
    "Skipped",
    "Texts",
    "batches",
    "decode_pictures",
    "decoder_versions",
    "file_stamps",
    "infer_shape",
    "load_cached",
    "reflect",
    "some_texts",
    "vocabulary",
    "words_of",
]
