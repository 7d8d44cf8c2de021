"""The options of the text encoders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from zoo import Choice, Spec

TEMPLATES = ("{}", "a {}", "the {}", "a picture of a {}", "this is a {}")


class NoOptions(Spec):
    """A text encoder without options."""


class TemplateSpec(Spec):
    """Texts to learn from, where pictures have no more than the name of a class."""

    templates: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] = TEMPLATES
    """Sentences around the names and captions of a class, each with one {}; one of them is drawn for each picture in
    training."""

    @field_validator("templates")
    @classmethod
    def _one_place(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for template in value:
            if template.count("{}") != 1 or {"{", "}"} & set(template.replace("{}", "")):
                raise ValueError(f"a template has one place for the name, {{}}, as 'a {{}}' does, not {template!r}")
        return value


class WordsSpec(TemplateSpec):
    """The words that occur in names, captions and templates."""

    size: Annotated[int, Field(ge=1, le=4096), Choice(32, 64, 128)] = 64
    """Numbers that tell a word; those of a text are the sum over its words."""


class SentenceSpec(TemplateSpec):
    """A frozen encoder of sentences."""

    sharpness: Annotated[float, Field(gt=0, le=1000)] = 16.0
    """How soon a text is taken for the class that it is nearest to: its shares of the classes are the softmax of this
    times the cosines."""
