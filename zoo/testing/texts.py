"""Rules of text encoders: class names are understood, unknown texts refused in one line."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.models.text import TextEncoder
from zoo.testing import toys
from zoo.testing.building import spec_of
from zoo.testing.check import Subject
from zoo.testing.rule import Broken, broken_on_error, require, rule

ODD_TEXTS = ("", " ", "xyzzy", "\0", "cat" * 1000, "💃", "the cat, the dog and 1e400")
"""Texts that few encoders understand; each must be understood or refused."""


def encoder_of(subject: Subject) -> TextEncoder:
    """Build an encoder in evaluation mode."""
    torch.manual_seed(0)
    with broken_on_error("build"):
        made: TextEncoder = subject.kind.build(spec_of(subject), toys.info_of())
    return made.eval()


def encode_checked(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Encode texts to conditions; raise Broken unless shape, type and values are right."""
    with torch.no_grad():
        found = encoder.encode(texts)
    expected = (len(texts), encoder.size)
    require(found.shape == expected, f"encode returns {tuple(found.shape)} for {len(texts)} texts, not {expected}")
    require(found.dtype == torch.float32, f"conditions are {found.dtype}, not float32")
    require(bool(torch.isfinite(found).all()), f"the condition of {texts[0]!r:.40} is not finite")
    return found


@rule("text")
def names(subject: Subject) -> None:
    """Every class name and caption is understood, alone or in a batch."""
    encoder = encoder_of(subject)
    every = [name for each in toys.info_of().names for name in each]
    try:
        found = encode_checked(encoder, every)
        alone = torch.cat([encode_checked(encoder, [name]) for name in every])
    except ZooError as error:
        raise Broken(f"a class name is refused: {error}") from error
    require(torch.allclose(found, alone, atol=1e-5), "the condition of a text depends on the other texts in the batch")


@rule("text")
def labels(subject: Subject) -> None:
    """Labels are encoded into conditions that distinguish the classes."""
    encoder, y = encoder_of(subject), torch.arange(len(toys.CLASSES))
    with torch.no_grad(), broken_on_error("labels"):
        found = encoder.labels(y)
        again = encoder.labels(y.flip(0)).flip(0)
    expected = (len(y), encoder.size)
    require(found.shape == expected, f"labels returns {tuple(found.shape)}, not {expected}")
    require(torch.allclose(found, again, atol=1e-5), "in evaluation the condition of a label changes from call to call")
    nearest = torch.cdist(found, found) + 1e9 * torch.eye(len(y))
    require(float(nearest.min()) > 1e-4, "two classes have the same condition, so a prior cannot tell them apart")


@rule("text")
def unknown_texts(subject: Subject) -> None:
    """An unknown text is understood or refused in one line; no other error is raised."""
    encoder = encoder_of(subject)
    for text in ODD_TEXTS:
        try:
            with broken_on_error(f"the text {text[:20]!r}"):
                encode_checked(encoder, [text])
        except ZooError as error:
            require(str(error).strip(), f"the text {text[:20]!r} is refused without a message")
