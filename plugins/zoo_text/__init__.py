"""First-party text encoders: class names, learnt word vectors and a pretrained sentence encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, TextKind, hookimpl
from zoo_text.spec import NoOptions, SentenceSpec, TokensSpec, WordsSpec

if TYPE_CHECKING:
    from zoo.models import TextEncoder


def build_classes(spec: NoOptions, info: DataInfo) -> TextEncoder:
    """Build the encoder that turns class names into one-hot vectors."""
    from zoo.core import DataError
    from zoo.models import ClassNames

    if not info.classes:
        hint = "set text.kind=tokens, words or sentence, which read captions"
        raise DataError("the data has captions and no classes, which text.kind=classes needs", hint)
    return ClassNames(info)


def build_words(spec: WordsSpec, info: DataInfo) -> TextEncoder:
    """Build the encoder that sums word vectors learnt with the prior."""
    from zoo_text.words import Words

    return Words(spec, info)


def build_tokens(spec: TokensSpec, info: DataInfo) -> TextEncoder:
    """Build the transformer over words in their order, learnt with the prior."""
    from zoo_text.tokens import Tokens

    return Tokens(spec, info)


def build_sentence(spec: SentenceSpec, info: DataInfo) -> TextEncoder:
    """Build the encoder of any text by a pretrained sentence encoder: as class weights, or as the embedding itself."""
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
    yield TextKind("tokens", TokensSpec, build_tokens, "words in their order, read by a small transformer, learnt too")
    summary = "any text, with a pretrained MiniLM; needs pixel-zoo[text]"
    yield TextKind("sentence", SentenceSpec, build_sentence, summary)
