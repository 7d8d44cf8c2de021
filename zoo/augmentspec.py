"""The options of augmentation: what happens to a training picture each time it is shown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo.spec import Spec


class AugmentSpec(Spec):
    """Pad and crop, flip, cutout and jitter, drawn for each picture of each epoch."""

    pad: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    """Pixels of border from which a crop of the original size is drawn; auto: an eighth of the height."""
    pad_mode: Literal["zero", "reflect"] = "zero"
    """What the border holds: black, or the picture mirrored."""
    flip: bool | Literal["auto", "alternate"] = "auto"
    """Mirror left and right: half of the pictures at random, or each in turn; auto: colour pictures only."""
    cutout: Annotated[int, Field(ge=0, le=1024)] = 0
    """Side in pixels of a square that is painted over with the mean colour; 0: none."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Brightness is multiplied by a factor drawn from 1 ± this."""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Distance from the picture's mean is multiplied by a factor drawn from 1 ± this."""
