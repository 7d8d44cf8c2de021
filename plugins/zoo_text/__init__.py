"""First-party text encoders; torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, TextKind, hookimpl
from zoo_text.spec import NoOptions, SentenceSpec, WordsSpec

if TYPE_CHECKING:
    from zoo.models import TextEncoder


def build_classes(spec: NoOptions, info: DataInfo) -> TextEncoder:
    """One-hot vectors of the classes."""
    from zoo.models import Classes

    return Classes(info)


def build_words(spec: WordsSpec, info: DataInfo) -> TextEncoder:
    """A vector for each word, learnt with the prior."""
    from zoo_text.words import Words

    return Words(spec, info)


def build_sentence(spec: SentenceSpec, info: DataInfo) -> TextEncoder:
    """Shares of the classes by what a pretrained encoder of sentences makes of a text."""
    import torch

    from zoo_text.sentence import Sentence, require_encoder

    if torch.get_default_device().type != "meta":  # counting parameters needs no weights
        require_encoder()
    return Sentence(spec, info)


@hookimpl
def zoo_text() -> Iterator[TextKind[Any]]:
    """Yield the text encoder kinds."""
    yield TextKind("classes", NoOptions, build_classes, "the name of a class; sums are exactly sums of class vectors")
    yield TextKind("words", WordsSpec, build_words, "a vector for each word of names and captions, learnt from scratch")
    summary = "any text, by a pretrained MiniLM; needs pixel-zoo[text]"
    yield TextKind("sentence", SentenceSpec, build_sentence, summary)
