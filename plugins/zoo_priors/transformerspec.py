"""The options of the transformer over code words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec


class TransformerSpec(Spec):
    """A decoder-only transformer over the words of a code, row by row."""

    width: Annotated[int, Field(ge=4, le=8192), Choice(64, 96, 128, 192, 256)] = 128
    """Numbers for each word within the network; a multiple of heads."""
    layers: Annotated[int, Field(ge=1, le=64), Range(2, 8)] = 4
    """Blocks of attention and a perceptron with one hidden layer of four times the width."""
    heads: Annotated[int, Field(ge=1, le=128), Choice(2, 4, 8)] = 4
    """Heads of the attention."""
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.1
    """Share of the numbers that is dropped in training, after each attention and perceptron."""
    label_dropout: Annotated[float, Field(ge=0, le=1), Range(0.05, 0.3)] = 0.1
    """Share of the training pictures whose class is hidden, from which it learns codes of no class in particular."""

    @model_validator(mode="after")
    def _check(self) -> TransformerSpec:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, {self.heads}")
        return self
