"""Texts in Morse code (Recommendation ITU-R M.1677): dots and dashes as numbers, nothing is learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo import DataInfo, ZooError
from zoo.models import TextEncoder
from zoo_morse.spec import MorseSpec

LETTERS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
).split()
CODE = dict(zip("abcdefghijklmnopqrstuvwxyz0123456789", LETTERS, strict=True))
NUMBERS = {".": -1.0, "-": 1.0, " ": 0.0}


def morse(text: str) -> str:
    """Dots and dashes, a blank between letters; ZooError for a character that has no code."""
    letters = "".join(text.casefold().split())
    if strange := next((letter for letter in letters if letter not in CODE), None):
        raise ZooError(f"there is no Morse code for {strange!r}", "use the letters a to z and digits")
    if not letters:
        raise ZooError("nothing to telegraph", "use the letters a to z and digits")
    return " ".join(CODE[letter] for letter in letters)


class Morse(TextEncoder):
    """-1 for a dot, 1 for a dash, 0 for a gap, and after the end."""

    classes: Tensor

    def __init__(self, spec: MorseSpec, info: DataInfo) -> None:
        super().__init__()
        self.size = spec.signs
        self.register_buffer("classes", self.rows(info.classes), persistent=False)

    def rows(self, texts: Sequence[str]) -> Tensor:
        """Numbers float32 (N, signs); ZooError for a text that is too long."""
        codes = [morse(text) for text in texts]
        if (longest := max(map(len, codes))) > self.size:
            raise ZooError(f"{longest} signs of Morse code are more than {self.size}", "raise text.signs")
        return torch.tensor([[NUMBERS[sign] for sign in code.ljust(self.size)] for code in codes])

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Conditions (N, signs)."""
        return self.rows(texts).to(self.classes.device)

    def labels(self, y: Tensor) -> Tensor:
        """Conditions (N, signs) of the names of classes int64 (N,)."""
        return self.classes[y]
