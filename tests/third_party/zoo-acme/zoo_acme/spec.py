"""Options of the model and of the pictures; no torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import DataSpec, Range, Spec

CLASSES = ("disc", "square", "cross", "ring")
SIDE = 16


class DepthwiseSpec(Spec):
    """A depthwise-separable network."""

    width: Annotated[int, Field(ge=4, le=512), Range(8, 128, log=True)] = 24
    """Channels of every layer."""
    depth: Annotated[int, Field(ge=1, le=12), Range(1, 6)] = 2
    """Layers after the first; each halves the picture."""


class ShapesSpec(DataSpec):
    """Shapes of one colour each."""

    count: Annotated[int, Field(ge=40, le=100_000)] = 1200
    """Number of pictures, over all classes."""
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Standard deviation of the ground and of what lies over the shapes, for values of 0..1."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Chooses places, sizes and colours."""
