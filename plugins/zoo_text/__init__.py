"""First-party text encoders: class names, learnt word vectors and a pretrained sentence encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, TextKind, hookimpl
from zoo_text.spec import NoOptions, SentenceSpec, WordsSpec

if TYPE_CHECKING:
    from zoo.models import TextEncoder


def build_classes(spec: NoOptions, info: DataInfo) -> TextEncoder:
    """Build the encoder that turns class names into one-hot vectors."""
    from zoo.models import ClassNames

    return ClassNames(info)


def build_words(spec: WordsSpec, info: DataInfo) -> TextEncoder:
    """Build the encoder that sums word vectors learnt with the prior."""
    from zoo_text.words import Words

    return Words(spec, info)


def build_sentence(spec: SentenceSpec, info: DataInfo) -> TextEncoder:
    """Build the encoder that turns any text into class weights by a pretrained sentence encoder."""
    import torch

    from zoo_text.sentence import Sentence, require_encoder

    if torch.get_default_device().type != "meta":  # counting parameters needs no weights
        require_encoder()
    return Sentence(spec, info)


@hookimpl
def zoo_text() -> Iterator[TextKind[Any]]:
    """Yield the kinds of text encoders."""
    yield TextKind("classes", NoOptions, build_classes, "class names; sums are exact sums of class vectors")
    yield TextKind("words", WordsSpec, build_words, "words of names and captions, with vectors learnt from scratch")
    summary = "any text, with a pretrained MiniLM; needs pixel-zoo[text]"
    yield TextKind("sentence", SentenceSpec, build_sentence, summary)
