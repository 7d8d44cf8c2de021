"""The options of the text encoders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from zoo import Choice, Range, Spec

TEMPLATES = ("{}", "a {}", "the {}", "a picture of a {}", "this is a {}")


class NoOptions(Spec):
    """Options of a text encoder that has none."""


class TemplateSpec(Spec):
    """Templates that turn class names and captions into texts for training."""

    templates: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] = TEMPLATES
    """Templates for class names and captions, each with one {}; a random one is used for each training picture."""

    @field_validator("templates")
    @classmethod
    def _check_placeholder(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for template in value:
            if template.count("{}") != 1 or {"{", "}"} & set(template.replace("{}", "")):
                raise ValueError(f"a template needs exactly one {{}} for the name, as in 'a {{}}', got {template!r}")
        return value


class WordsSpec(TemplateSpec):
    """Options of learnt vectors for the words of names, captions and templates."""

    size: Annotated[int, Field(ge=1, le=4096), Choice(32, 64, 128)] = 64
    """Size of a word vector; a text's vector is the sum over its words."""


class TokensSpec(TemplateSpec):
    """Options of a small transformer over the words of captions, or of names and templates, in their order."""

    newer_options = frozenset({"pooling"})

    size: Annotated[int, Field(ge=1, le=4096), Choice(32, 64, 128)] = 64
    """Size of a text's vector, or without pooling of each of its `length` vectors."""
    pooling: Literal["mean", "none"] | None = None
    """mean: one vector for the whole text; none: a vector for each word, to which a prior may attend: its conditions
    are `length` vectors one after the other; null: mean."""
    width: Annotated[int, Field(ge=1, le=4096), Choice(32, 64, 128)] = 64
    """Size of a word's vector within the transformer."""
    depth: Annotated[int, Field(ge=0, le=24), Range(1, 3)] = 1
    """Number of layers."""
    heads: Annotated[int, Field(ge=1, le=64), Choice(2, 4, 8)] = 4
    """Number of attention heads; `width` is a multiple of it."""
    length: Annotated[int, Field(ge=1, le=1024)] = 32
    """Largest number of words of a text; the rest of a longer caption is left out, a longer prompt is refused."""


class SentenceSpec(TemplateSpec):
    """Options of a frozen, pretrained sentence encoder."""

    sharpness: Annotated[float, Field(gt=0, le=1000)] = 16.0
    """Sharpness with which a text is assigned to its nearest class: class weights are the softmax of this times the
    cosine similarities."""
