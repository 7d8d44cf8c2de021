"""Pictures as a caller has them: paths, folders, encoded bytes, PIL images and arrays, one or many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from zoo.core.errors import DataError, ZooError
from zoo.core.files import expand_user
from zoo.core.walk import is_folder, picture_files
from zoo.data.arrays import LEVELS, Array, as_array, split_pictures, to_shape
from zoo.data.decode import Recipe, SourceStatistics, decode_picture, resize_picture, strict_pillow_warnings

AnyPicture: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any] | Tensor
AnyPictures: TypeAlias = AnyPicture | Iterable[AnyPicture]
KNOWN = "a path, a PIL image, an array of NumPy or a tensor of torch"


def picture_batches(pictures: AnyPictures, recipe: Recipe, size: int) -> Iterator[tuple[list[str], Tensor]]:
    """Yield names and float32 (N, C, H, W) with values 0..1, of at most `size` pictures at a time.

    Names are paths, and numbers where there is no path. Raises DataError for a picture that cannot be read.
    """
    numbered = enumerate(read_each(pictures, recipe))
    while chunk := list(islice(numbered, size)):
        names = [name or str(number) for number, (name, _) in chunk]
        yield names, stack([pixels for _, (_, pixels) in chunk])


def stack(pictures: list[Array]) -> Tensor:
    """Stack pictures (H, W, C) of bytes or floats to float32 (N, C, H, W)."""
    parts = [torch.tensor(np.ascontiguousarray(pixels)) for pixels in pictures]
    x = torch.stack([part.float().div_(LEVELS) if part.dtype == torch.uint8 else part for part in parts])
    return x.permute(0, 3, 1, 2)


def read_each(pictures: AnyPictures, recipe: Recipe) -> Iterator[tuple[str, Array]]:
    """Yield the name, empty if it has none, and the pixels (H, W, C) of each picture."""
    if isinstance(pictures, str | Path):
        yield from read_path(expand_user(pictures), recipe)
    elif isinstance(pictures, bytes):
        yield "", decode(pictures, "the picture", recipe)
    elif isinstance(pictures, Image.Image):
        with strict_pillow_warnings():
            yield str(getattr(pictures, "filename", "")), resize_image(pictures, recipe)
    elif isinstance(pictures, Tensor) or (isinstance(pictures, np.ndarray) and pictures.dtype.kind not in "OSU"):
        several = split_pictures(as_array(pictures), recipe.shape, by_torch=isinstance(pictures, Tensor))
        yield from (("", to_shape(pixels, recipe)) for pixels in several)
    elif isinstance(pictures, Iterable) and not isinstance(pictures, dict):
        for each in pictures:
            yield from read_each(check_one(each), recipe)
    else:
        check_one(pictures)


def check_one(picture: Any) -> AnyPicture:
    """Return one of several pictures; ZooError if it is none."""
    if isinstance(picture, str | Path | bytes | Image.Image | np.ndarray | Tensor):
        return picture
    raise ZooError(f"{type(picture).__name__} is no picture", f"give {KNOWN}, or several of them")


def read_path(path: Path, recipe: Recipe) -> Iterator[tuple[str, Array]]:
    """Yield the path and the pixels of a file, or of each picture in a folder."""
    files = picture_files(path) if is_folder(path) else iter([path])
    first = next(files, None)
    if first is None:
        raise DataError(f"{path} has no pictures", "give a folder with pictures, or files")
    yield str(first), decode(first, str(first), recipe)
    yield from ((str(file), decode(file, str(file), recipe)) for file in files)


def decode(source: Path | bytes, name: str, recipe: Recipe) -> Array:
    """Decode a file or its bytes; DataError if it is no picture."""
    with strict_pillow_warnings():
        found = decode_picture(name, source, recipe)
    if isinstance(found, str):
        raise DataError(f"{name}: {found}", f"give {KNOWN}")
    return found


def resize_image(image: Image.Image, recipe: Recipe) -> Array:
    """Bring an open image to the shape of a recipe, upright; DataError if its file is damaged."""
    try:
        return resize_picture(ImageOps.exif_transpose(image), recipe, SourceStatistics())
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"the picture cannot be read: {str(error)[:120]}") from None
