"""Prompts in Morse code, and a generator that is told of its pictures so."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, TextKind, hookimpl
from zoo_morse.spec import MorseSpec

if TYPE_CHECKING:
    from zoo.models import TextEncoder

ZOO_API = 1


def build(spec: MorseSpec, info: DataInfo) -> TextEncoder:
    """An encoder that has no trainable parameters."""
    from zoo_morse.encoder import Morse

    return Morse(spec, info)


@hookimpl
def zoo_text() -> Iterable[TextKind[Any]]:
    """The encoder."""
    yield TextKind("morse", MorseSpec, build, "letters and digits in Morse code, sign by sign")


@hookimpl
def zoo_registries() -> Iterable[Traversable]:
    """The entry."""
    yield files("zoo_morse") / "entries.yaml"
