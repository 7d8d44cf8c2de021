"""Options of the augmentation kinds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zoo import Choice, Range, TransformSpec

Fill = Literal["zero", "reflect", "mean"]


class CropSpec(TransformSpec):
    """Crop to the original size at a random place of the padded picture."""

    pad: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """Pixels of border added before the crop; auto: an eighth of the height."""
    fill: Annotated[Fill, Choice("zero", "reflect")] = "zero"
    """What fills the border: black, the mirrored picture, or the mean colour."""


class FlipSpec(TransformSpec):
    """Flip the picture."""

    p: Annotated[float, Field(ge=0, le=1), Range(0.1, 1.0)] = 0.5
    """Probability that a picture is flipped."""
    axis: Literal["horizontal", "vertical"] = "horizontal"
    """horizontal: left and right are exchanged; vertical: top and bottom."""
    alternate: bool = False
    """Whether each picture is flipped in alternating epochs, rather than at random in each."""


class AffineSpec(TransformSpec):
    """Rotate, scale, shear and translate, each by a random amount; pixels are interpolated."""

    degrees: Annotated[float, Field(ge=0, le=180), Range(0, 45)] = 15.0
    """Rotation is within ± this, in degrees."""
    translate: Annotated[float, Field(ge=0, le=1), Range(0, 0.3)] = 0.1
    """Shift is within ± this share of width and height."""
    scale: Annotated[float, Field(ge=0, lt=1), Range(0, 0.4)] = 0.1
    """Size is multiplied by a factor within 1 ± this."""
    shear: Annotated[float, Field(ge=0, lt=90), Range(0, 30)] = 0.0
    """Shear along each axis is within ± this, in degrees."""
    fill: Annotated[Fill, Choice("zero", "reflect")] = "zero"
    """What fills the rest: black, the mirrored picture, or the mean colour."""


class CutoutSpec(TransformSpec):
    """Fill a square at a random place, clipped at the edges, with the mean colour."""

    size: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """Side of the square in pixels; auto: a quarter of the height."""


class ColourJitterSpec(TransformSpec):
    """Change colours at random, in this order: brightness, contrast, saturation, hue."""

    brightness: Annotated[float, Field(ge=0, le=1), Range(0, 0.8)] = 0.4
    """Brightness is multiplied by a factor within 1 ± this."""
    contrast: Annotated[float, Field(ge=0, le=1), Range(0, 0.8)] = 0.4
    """Contrast (distance from the picture's mean grey) is multiplied by a factor within 1 ± this."""
    saturation: Annotated[float, Field(ge=0, le=1), Range(0, 0.8)] | None = None
    """Saturation (distance of a pixel from its grey) likewise; default 0.4 for colour pictures."""
    hue: Annotated[float, Field(ge=0, le=0.5), Range(0, 0.2)] = 0.0
    """The hue circle is turned by up to ± this share, at constant luma."""


class MixupSpec(TransformSpec):
    """Mix each picture with another one of its batch by a random share (Zhang et al. 2017, arXiv:1710.09412)."""

    alpha: Annotated[float, Field(gt=0, le=100), Range(0.1, 1.0)] = 0.2
    """The share is drawn from Beta(alpha, alpha): the larger, the more equal the two shares."""


class CutmixSpec(TransformSpec):
    """Replace a rectangle by that of another picture of the batch (Yun et al. 2019, arXiv:1905.04899)."""

    alpha: Annotated[float, Field(gt=0, le=100), Range(0.1, 2.0)] = 1.0
    """The share of the area that stays is drawn from Beta(alpha, alpha)."""


class TrivialAugmentSpec(TransformSpec):
    """Apply one operation of 14, of random strength (Müller and Hutter 2021, arXiv:2103.10158, wide space)."""

    strength: Annotated[float, Field(gt=0, le=1), Range(0.3, 1.0)] = 1.0
    """Share of the strengths of the paper's wide space that may be drawn; 1: all."""


class KorniaSpec(TransformSpec):
    """Apply an operation of kornia.augmentation, drawn for each picture."""

    operation: Annotated[str, Field(min_length=1, max_length=100)]
    """Name of the class, such as RandomSharpness."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Its arguments, such as {sharpness: 0.5}."""


AnySpec = (
    CropSpec
    | FlipSpec
    | AffineSpec
    | CutoutSpec
    | ColourJitterSpec
    | MixupSpec
    | CutmixSpec
    | TrivialAugmentSpec
    | KorniaSpec
)
