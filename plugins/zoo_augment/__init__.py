"""First-party augmentation, batched on the device: crop, flip, colours, mixup, cutmix, TrivialAugment, kornia."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo import AugmentKind, DataInfo, hookimpl
from zoo_augment import spec as specs

if TYPE_CHECKING:
    from zoo.data import Augment, Mix

BUILDERS = {
    specs.CropSpec: ("geometry", "Crop"),
    specs.FlipSpec: ("geometry", "Flip"),
    specs.AffineSpec: ("geometry", "Affine"),
    specs.CutoutSpec: ("erase", "Cutout"),
    specs.ColourJitterSpec: ("colour", "ColourJitter"),
    specs.MixupSpec: ("mixing", "Mixup"),
    specs.CutmixSpec: ("mixing", "Cutmix"),
    specs.TrivialAugmentSpec: ("trivial", "TrivialAugment"),
    specs.KorniaSpec: ("kornia_operation", "KorniaOperation"),
}
"""Module and class of each augmentation, which import torch, by its options."""


def build(spec: specs.AnySpec, info: DataInfo) -> Augment | Mix:
    """Build the augmentation that has these options."""
    module, name = BUILDERS[type(spec)]
    found: Augment | Mix = getattr(import_module(f"zoo_augment.{module}"), name)(spec, info)
    return found


@hookimpl
def zoo_augment() -> Iterator[AugmentKind[Any]]:
    """Yield the augmentation kinds."""
    yield AugmentKind("crop", specs.CropSpec, build, "random crop of the padded picture")
    yield AugmentKind("flip", specs.FlipSpec, build, "left-right or upside down", alternate="alternate")
    yield AugmentKind("affine", specs.AffineSpec, build, "rotate, scale, shear and translate")
    yield AugmentKind("cutout", specs.CutoutSpec, build, "square filled with the mean colour (arXiv:1708.04552)")
    summary = "brightness, contrast, saturation and hue"
    yield AugmentKind("colour-jitter", specs.ColourJitterSpec, build, summary)
    summary = "weighted mean of two pictures and labels (arXiv:1710.09412)"
    yield AugmentKind("mixup", specs.MixupSpec, build, summary, mixes=True)
    summary = "rectangle of another picture, labels by area (arXiv:1905.04899)"
    yield AugmentKind("cutmix", specs.CutmixSpec, build, summary, mixes=True)
    summary = "one random operation of random strength (arXiv:2103.10158)"
    yield AugmentKind("trivial-augment", specs.TrivialAugmentSpec, build, summary)
    summary = "an operation of kornia by name, as kornia:RandomSharpness; needs pixel-zoo[kornia]"
    yield AugmentKind("kornia", specs.KorniaSpec, build, summary, argument="operation")
