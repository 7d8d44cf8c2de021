"""Pictures in arrays of NumPy or torch: check their values, find their channels, and bring them to one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo.core.errors import DataError
from zoo.data.decode import Picture, Recipe, SourceStatistics, resize_picture

Array = NDArray[Any]
LEVELS = 255
ROUNDING = 1e-4
"""How far floats may lie outside 0..1, as after an interpolation."""
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's modes by number of channels."""


def as_array(pictures: Array | Tensor) -> Array:
    """Return pictures as uint8, or as float32 with values 0..1; DataError for other values."""
    if isinstance(pictures, Tensor):
        found = pictures.detach().cpu()
        pictures = (found.float() if found.is_floating_point() else found).numpy()
    if pictures.dtype == np.uint8 or not pictures.size:
        return pictures.astype(np.uint8, copy=False)
    if pictures.dtype == bool:
        return pictures.astype(np.float32)
    if pictures.dtype.kind not in "iuf":
        raise DataError(f"an array of {pictures.dtype} holds no pixels", "give uint8, or floats of 0 to 1")
    check_values(pictures)
    return pictures.clip(0, 1).astype(np.float32) if pictures.dtype.kind == "f" else pictures.astype(np.uint8)


def check_values(pictures: Array) -> None:
    """Raise DataError unless floats are 0 to 1, but for rounding errors, and integers 0 to 255."""
    floats, low, high = pictures.dtype.kind == "f", pictures.min(), pictures.max()
    if floats and not np.isfinite(low + high):
        raise DataError("the pictures have values that are not finite", "replace them")
    slack = ROUNDING if floats else 0
    if low < -slack:
        hint = "give the pixels themselves: the model standardises them"
        raise DataError(f"the pictures have negative values, down to {low:g}", hint)
    if high > (1 if floats else LEVELS) + slack:
        what, hint = ("floats", "divide them by 255, or give uint8") if floats else ("integers", "bring them to 8 bits")
        raise DataError(f"the pictures are {what} of up to {high:g}, not {1 if floats else LEVELS}", hint)


def split_pictures(pictures: Array, shape: tuple[int, int, int], *, by_torch: bool) -> Array:
    """Return one picture or several, in any layout, as (N, H, W, C).

    `shape` is that of the model, channels first. Where a layout is ambiguous, that of the model's shape is taken, or
    else the usual one: channels first `by_torch`, last otherwise.
    """
    if pictures.ndim == 2 and pictures.size:
        return pictures[None, :, :, None]
    if pictures.ndim == 3:
        if pictures.shape[1:] == shape[1:] and is_grey_stack(pictures.shape, shape):
            return pictures[..., None]
        pictures = pictures[None]
    if pictures.ndim != 4:
        raise DataError(f"an array of shape {pictures.shape} holds no pictures", "give (N, H, W, C) or (N, C, H, W)")
    if 0 in pictures.shape[1:]:
        raise DataError(f"an array of shape {pictures.shape} holds pictures without pixels", "leave them out")
    first = has_channels_first(pictures.shape[1:], shape, by_torch=by_torch)
    return pictures.transpose(0, 2, 3, 1) if first else pictures


def is_grey_stack(found: Sequence[int], shape: tuple[int, int, int]) -> bool:
    """Return whether an array of three dimensions holds grey pictures; DataError if nobody can tell."""
    if shape[0] == 1 and found[0] == 3:
        text = f"an array of shape {tuple(found)} may be three grey pictures, or one in colour"
        raise DataError(text, "add an axis: (N, H, W, C) or (N, C, H, W)")
    return found[0] not in {1, 3, shape[0]} and found[2] not in {*MODES, shape[0]}


def has_channels_first(found: Sequence[int], shape: tuple[int, int, int], *, by_torch: bool) -> bool:
    """Return whether the dimensions of a picture are (C, H, W), rather than (H, W, C)."""
    first, last = found[0] in {1, 3, shape[0]}, found[2] in {*MODES, shape[0]}
    if not first and not last:
        text = f"a picture of shape {tuple(found)} has neither its first nor its last dimension for 1 or 3 channels"
        raise DataError(text, "give (H, W, C) or (C, H, W)")
    if first and last:
        channels, height, width = shape
        fits_first, fits_last = (tuple(found) == each for each in (shape, (height, width, channels)))
        return fits_first if fits_first != fits_last else by_torch
    return first


def to_shape(picture: Array, recipe: Recipe) -> Array:
    """Bring a picture (H, W, C) to the size and channels of a recipe, as a picture of a file would be.

    One that has them already is returned as it is, so that floats keep their precision.
    """
    if picture.shape == (recipe.height, recipe.width, recipe.channels):
        return picture
    if picture.shape[2] not in MODES or recipe.channels not in MODES:
        text = f"a picture of {picture.shape[2]} channels, where the model takes {recipe.channels}"
        raise DataError(text, f"give {recipe.height}x{recipe.width} pixels of {recipe.channels} channels")
    pixels = to_uint8(picture)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels, MODES[pixels.shape[2]])
    return resize_picture(image, recipe, SourceStatistics())


def to_uint8(pixels: Array) -> Picture:
    """Round floats of 0 to 1 to 256 levels; uint8 is returned as it is."""
    whole = pixels if pixels.dtype == np.uint8 else (pixels * LEVELS).round().astype(np.uint8)
    return np.ascontiguousarray(whole)
