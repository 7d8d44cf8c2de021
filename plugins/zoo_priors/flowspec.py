"""The options of the flow over continuous codes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import Choice, Range, Spec


class FlowSpec(Spec):
    """A normalizing flow of affine couplings, given the class."""

    layers: Annotated[int, Field(ge=1, le=64), Range(4, 12)] = 8
    """Couplings; each moves and stretches half of a code by what the other half and the class tell."""
    width: Annotated[int, Field(ge=4, le=8192), Choice(64, 96, 128, 160, 192)] = 128
    """Numbers in each of the two hidden layers of a coupling's perceptron."""
    context: Annotated[int, Field(ge=1, le=4096), Choice(16, 32, 64)] = 32
    """Numbers that tell the class."""
    label_dropout: Annotated[float, Field(ge=0, le=1), Range(0.05, 0.3)] = 0.1
    """Share of the training pictures whose class is hidden, from which it learns codes of no class in particular."""
