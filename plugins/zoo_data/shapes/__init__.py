"""Shapes: pictures of one or two coloured shapes with captions, drawn by a rule, without any file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from zoo.core import DataInfo, DataSpec
from zoo_data.shapes.grammar import COLOURS, SHAPES, known_words

if TYPE_CHECKING:
    from zoo.data import Loaded, Pictures

Background = Literal["plain", "gradient", "glow", "stripes", "checks"]
PARTS = ("train", "valid", "test")
MOST_HELD_BACK = 2000
"""Largest number of pictures for validation, and for testing: enough to measure with, however many train."""
CLASSES: dict[str, tuple[str, ...]] = {"none": (), "shape": SHAPES, "colour": COLOURS, "count": ("one", "two")}


class ShapesSpec(DataSpec):
    """Options of the shapes."""

    n: Annotated[int, Field(ge=6, le=1_000_000)] = 12_000
    """Number of training pictures; a sixth of it more, but at most 2,000, for validation, and as many for testing."""
    two: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Share of pictures with two objects."""
    held_out: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of test pictures with an object in a colour that its shape never has in training, e.g. a red star."""
    backgrounds: Annotated[tuple[Background, ...], Field(min_length=1)] = ("plain", "gradient", "glow", "stripes")
    """What lies behind the objects: plain, gradient, glow, stripes or checks, each as often as the others."""
    label: Literal["none", "shape", "colour", "count"] = "none"
    """What the class of a picture is, beside its captions: the shape or colour of its first object, the left or upper
    one, or the number of objects; none: the pictures have captions only."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the pictures."""

    @field_validator("backgrounds")
    @classmethod
    def _check_distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"each background may be listed once, got {', '.join(value)}")
        return value


def info(spec: ShapesSpec) -> DataInfo:
    """Describe the data: 32x32 colour pictures with captions."""
    return DataInfo.of((3, 32, 32), CLASSES[spec.label], words=known_words())


def load(spec: ShapesSpec) -> Loaded:
    """Draw the pictures of all splits, the same ones on every system."""
    from zoo.data import Loaded

    train, valid, test = (make(spec, part) for part in PARTS)
    return Loaded(train, CLASSES[spec.label], valid=valid, test=test)


def make(spec: ShapesSpec, part: str) -> Pictures:
    """Draw the pictures of a split."""
    import numpy as np

    from zoo.data import Pictures
    from zoo_data.shapes.draw import draw
    from zoo_data.shapes.scenes import captions, random_scenes

    train = part == "train"
    count = spec.n if train else min(spec.n // 6, MOST_HELD_BACK)
    held_out = spec.held_out if part == "test" else 0.0
    scenes = random_scenes(spec.seed, PARTS.index(part), count, spec.two, held_out)
    first = {"none": np.zeros_like(scenes.count), "shape": scenes.shape[:, 0], "colour": scenes.colour[:, 0]}
    labels = (first | {"count": scenes.count - 1})[spec.label].copy()
    return Pictures.of(draw(scenes, spec.backgrounds), labels, texts=captions(scenes))
