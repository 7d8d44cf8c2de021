"""Decode picture files to uint8 arrays of one shape with Pillow, within size limits."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from statistics import mean, median_low
from typing import Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.core.errors import DataError
from zoo.core.sections import PictureSpec
from zoo.data.dataset import Pictures
from zoo.data.texts import PictureText

FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "PPM", "TIFF", "JPEG2000")
FORMATS += ("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()  # since Pillow 11.3
MAX_PIXELS = 16_000_000
CHUNK_BYTES = 32_000_000
"""Approximate size of a chunk of decoded pictures."""
MIN_BYTES_FOR_THREADS = 6_000
"""Average file size from which threads pay off; below it, they wait for the interpreter lock."""
SAMPLE_COUNT = 32
MAX_INFERRED_SIDE = 64
MIN_LEVELS = 32
"""Levels of 256 that pictures of more bits should fill."""
THUMBNAIL, GREY_SPREAD = 64, 8
"""Side to which a picture is reduced to see whether it is coloured, and what JPEG may make of grey, in levels."""
ORIENTATION = 0x0112
ROTATED = {5, 6, 7, 8}
"""EXIF orientations that swap height and width."""
Source = Path | bytes | None
NamedSource = tuple[str, Source]
Chunk = tuple[list[NamedSource], Sequence[int]] | tuple[list[NamedSource], Sequence[int], Sequence[PictureText]]
"""Pictures and their labels, perhaps with their texts."""
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """The size and channels to which every picture of a data set is brought.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 for grey, 3 for colour.
        fit: How other aspect ratios are handled: "crop" (centre crop) or "squash" (distort).
        same_size: Whether a picture of another size is an error.
        all_grey: Whether a picture in colour is an error.

    Example:
        >>> from zoo.data import Recipe
        >>> recipe = Recipe(32, 48, 3, "crop", same_size=False, all_grey=False)
        >>> recipe.shape
        (3, 32, 48)
    """

    height: int
    width: int
    channels: int
    fit: Literal["crop", "squash"]
    same_size: bool
    """A picture of another size is an error."""
    all_grey: bool
    """A picture in colour is an error."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a decoded picture."""
        return self.channels, self.height, self.width

    @property
    def chunk(self) -> int:
        """The number of pictures to decode together, 8 to 1024: about 32 MB."""
        return max(8, min(1024, CHUNK_BYTES // (self.height * self.width * self.channels)))


@dataclass
class SourceStatistics:
    """What pictures were like before they were resized and brought to 8 bits; threads may add to it."""

    sizes: set[tuple[int, int]] = field(default_factory=set)
    """Widths and heights."""
    levels_16bit: set[int] = field(default_factory=set)
    """The lowest and highest values of pictures of 16 bits."""

    def notes(self, recipe: Recipe) -> tuple[str, ...]:
        """Describe what is lost when such pictures are decoded."""
        return tuple(filter(None, (self.describe_sizes(recipe), self.describe_levels())))

    def describe_sizes(self, recipe: Recipe) -> str:
        """Describe the sizes of pictures that were resized; empty if none was."""
        if self.sizes <= {(recipe.width, recipe.height)}:
            return ""
        ordered = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        low, high = (f"{width}x{height}" for width, height in (ordered[0], ordered[-1]))
        how = "cropped and resized" if recipe.fit == "crop" else "resized"
        return f"{how} from {low}" if len(ordered) == 1 else f"{how} from {len(ordered)} sizes, {low} to {high}"

    def describe_levels(self) -> str:
        """Describe the values of 16-bit pictures that would be nearly one grey in 8 bits.

        Empty if there are none.
        """
        if not self.levels_16bit or (max(self.levels_16bit) >> 8) - (min(self.levels_16bit) >> 8) >= MIN_LEVELS:
            return ""
        low, high = min(self.levels_16bit), max(self.levels_16bit)
        return (
            f"the pictures of 16 bits use only the levels {low} to {high} of 65,536, so they are nearly of one grey; "
            "spread them over all 16 bits, or save them with 8"
        )


@dataclass
class Skipped:
    """The list of pictures that cannot be read, with a limit on their number.

    Args:
        total: Pictures of the data set.
        share: Largest share of them that may be skipped; one may always be skipped unless this is 0.
        found: Name of each skipped picture, and the reason.
        seen: What `decode_pictures` saw of the other pictures; its `notes` describe what was lost.

    Example:
        >>> from zoo.data import Skipped
        >>> skipped = Skipped(total=100, share=0.01)
        >>> skipped.add("a.png", "truncated")
        >>> skipped.add("b.png", "truncated")
        Traceback (most recent call last):
            ...
        zoo.core.errors.DataError: ...
    """

    total: int
    share: float
    found: list[tuple[str, str]] = field(default_factory=list)
    seen: SourceStatistics = field(default_factory=SourceStatistics, repr=False)
    """What the other pictures were like before they were resized."""

    def add(self, name: str, reason: str) -> None:
        """Add a picture that cannot be read.

        Args:
            name: Path or other name of the picture.
            reason: Why it cannot be read.

        Raises:
            DataError: If more pictures are skipped than allowed.
        """
        self.found.append((name, reason))
        self.check()

    def check(self) -> None:
        """Compare the number of skipped pictures with the limit.

        Raises:
            DataError: If more pictures are skipped than allowed.
        """
        allowed = max(1, int(self.share * self.total)) if self.share else 0
        if len(self.found) > allowed:
            first = "; ".join(f"{name}: {reason}" for name, reason in self.found[:3])
            raise DataError(
                f"more than {allowed} of {self.total} pictures cannot be read ({first})",
                "fix them, or allow more, e.g. data.max_bad=0.1",
            )


def infer_shape(samples: Sequence[NamedSource], spec: PictureSpec, *, resize: bool) -> Recipe:
    """Choose a size and channels for a data set from the headers of some pictures.

    Values that the spec sets are used. Otherwise the pictures keep their size; with `resize`, those that differ
    in size or are larger than 64 pixels become squares, as large as the median shorter side and at most 64 pixels.

    Args:
        samples: Some pictures, as pairs of a name and a file or its bytes; `SAMPLE_COUNT` of them suffice.
        spec: Options that may fix size and channels.
        resize: Whether pictures of unequal size may be resized if the spec sets no size.

    Returns:
        The recipe by which `decode_pictures` decodes all pictures.

    Raises:
        DataError: If none of the samples can be read.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
        >>> from zoo.core import PictureSpec
        >>> from zoo.data import infer_shape
        >>> file = BytesIO()
        >>> Image.new("L", (12, 10)).save(file, "PNG")
        >>> infer_shape([("a.png", file.getvalue())], PictureSpec(), resize=False).shape
        (1, 10, 12)
    """
    sizes: list[tuple[int, int]] = []
    grey: list[bool] = []
    reason = "there are no pictures"
    with strict_pillow_warnings():
        for name, source in samples:
            try:
                with open_picture(source) as image:
                    sizes.append(upright_size(image))
                    grey.append(is_grey(image))
            except Exception as error:
                reason = f"{name}: {explain(error)}"
    if not sizes:
        raise DataError(f"none of the first {len(samples)} pictures can be read ({reason})")
    height, width = (spec.size, spec.size) if spec.size else infer_size(sizes) if resize else sizes[0]
    guess = spec.channels is None and all(grey)
    channels = spec.channels or (1 if guess else 3)
    return Recipe(height, width, channels, spec.fit, same_size=not (spec.size or resize), all_grey=guess)


def infer_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Infer height and width: the common size if it is small, else a square of the median shorter side."""
    if len(set(sizes)) == 1 and max(sizes[0]) <= MAX_INFERRED_SIDE:
        return sizes[0]
    side = min(MAX_INFERRED_SIDE, median_low(min(size) for size in sizes))
    return side, side


def decode_pictures(count: int, chunks: Iterable[Chunk], recipe: Recipe, skipped: Skipped) -> Pictures:
    """Decode pictures into one array, and list those that cannot be read.

    Args:
        count: The largest number of pictures to expect.
        chunks: Pairs of pictures and their labels, or triples with their texts; `Recipe.chunk` is a good number of
            pictures. A picture is a pair of its name and a file or its bytes.
        recipe: Size and channels of the result.
        skipped: The list to which unreadable pictures are added.

    Returns:
        The pictures that can be read, with their labels, in the order given.

    Raises:
        DataError: If more pictures are unreadable than `skipped` allows, or one contradicts the recipe.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
        >>> from zoo.data import Recipe, Skipped, decode_pictures
        >>> file = BytesIO()
        >>> Image.new("L", (8, 8)).save(file, "PNG")
        >>> named = [("a.png", file.getvalue()), ("b.png", b"no picture")]
        >>> skipped = Skipped(total=2, share=0.5)
        >>> recipe = Recipe(8, 8, 1, "crop", same_size=False, all_grey=False)
        >>> len(decode_pictures(2, [(named, [0, 1])], recipe, skipped)), skipped.found[0][0]
        (1, 'b.png')
    """
    channels, height, width = recipe.shape
    x = np.empty((count, height, width, channels), np.uint8)
    y = np.empty(count, np.int64)
    end, kept, texts = 0, list[PictureText](), False

    def read(one: NamedSource) -> Picture | str:
        return decode_picture(*one, recipe, skipped.seen)

    with strict_pillow_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for chunk in chunks:
            named, labels, own = chunk if len(chunk) == 3 else (*chunk, [None] * len(chunk[0]))
            texts = texts or len(chunk) == 3
            threads = mean(map(byte_count, named)) >= MIN_BYTES_FOR_THREADS
            decoded = pool.map(read, named) if threads else map(read, named)
            for (name, _), label, text, picture in zip(named, labels, own, decoded, strict=True):
                if isinstance(picture, str):
                    skipped.add(name, picture)
                    continue
                x[end], y[end] = picture, label
                kept.append(text)
                end += 1
    return Pictures.of(x[:end], y[:end], texts=kept if texts else None)


def decode_picture(name: str, source: Source, recipe: Recipe, seen: SourceStatistics | None = None) -> Picture | str:
    """Decode a picture (H, W, C), or return the reason why it cannot be read."""
    seen = SourceStatistics() if seen is None else seen
    try:
        with open_picture(source) as image:
            check_against_recipe(name, image, recipe)
            size = upright_size(image)[::-1]
            # a JPEG much larger than needed is decoded at a half, a quarter or an eighth
            image.draft(None, (2 * max(recipe.shape[1:]),) * 2)
            picture = resize_picture(ImageOps.exif_transpose(image), recipe, seen)
            seen.sizes.add(size)
            return picture
    except (DataError, MemoryError):
        raise
    except Exception as error:  # decoders may raise any exception for a damaged file
        return explain(error)


def resize_picture(image: Image.Image, recipe: Recipe, seen: SourceStatistics) -> Picture:
    """Convert a picture to the size and channels of the recipe."""
    image, size = to_8bit(image, "L" if recipe.channels == 1 else "RGB", seen), (recipe.width, recipe.height)
    if image.size != size and recipe.fit == "crop":
        image = ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    elif image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(recipe.height, recipe.width, recipe.channels)


def to_8bit(image: Image.Image, mode: str, seen: SourceStatistics) -> Image.Image:
    """Convert a picture to 8 bits per channel, with a white background where it is transparent."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(float_levels(image) if image.mode == "F" else upper_8_bits(image, seen))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


def upper_8_bits(image: Image.Image, seen: SourceStatistics) -> Picture:
    """Take the upper 8 of 16 bits."""
    values = np.asarray(image).clip(0, 0xFFFF)
    seen.levels_16bit |= {int(values.min()), int(values.max())}
    return (values >> 8).astype(np.uint8)


def float_levels(image: Image.Image) -> Picture:
    """Bring floating-point values, which are 0 to 1 or 0 to 255, to 8 bits."""
    values = np.nan_to_num(np.asarray(image))
    scale = 255 if values.max() <= 1 else 1
    return np.asarray((values * scale).clip(0, 255).round(), np.uint8)


def check_against_recipe(name: str, image: Image.Image, recipe: Recipe) -> None:
    """Raise DataError if a picture contradicts an inferred size or channel count."""
    height, width = upright_size(image)
    if recipe.same_size and (height, width) != (recipe.height, recipe.width):
        raise DataError(
            f"{name} has {width}x{height} pixels, but the first has {recipe.width}x{recipe.height}",
            "set data.size to resize all, e.g. data.size=32",
        )
    if recipe.all_grey and not is_grey(image):
        hint = "set data.channels=3 for colour, or data.channels=1 for grey"
        raise DataError(f"{name} is in colour, but the first pictures are grey", hint)


@contextmanager
def open_picture(source: Source) -> Iterator[Image.Image]:
    """Open a picture; raise ValueError if it is too large or not a regular file."""
    if source is None:
        raise ValueError("no picture or no label")
    if isinstance(source, Path) and not stat.S_ISREG(source.stat().st_mode):
        raise ValueError("not a regular file")
    with Image.open(source if isinstance(source, Path) else BytesIO(source), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width}x{image.height} pixels, more than {MAX_PIXELS // 1_000_000} million")
        yield image


@contextmanager
def strict_pillow_warnings() -> Iterator[None]:
    """Turn Pillow's decompression-bomb warning into an error, and hide its other warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Get height and width after the EXIF orientation is applied."""
    width, height = image.size
    return (width, height) if image.getexif().get(ORIENTATION) in ROTATED else (height, width)


def is_grey(image: Image.Image) -> bool:
    """Whether a picture is stored as greyscale."""
    return image.mode in {"1", "L", "LA", "La"} or image.mode.startswith(("I", "F"))


def is_coloured(path: Path) -> bool | None:
    """Whether a picture shows colours, however it is stored; None if it cannot be read."""
    try:
        with strict_pillow_warnings(), open_picture(path) as image:
            if is_grey(image):
                return False
            image.draft("RGB", (THUMBNAIL, THUMBNAIL))
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL, THUMBNAIL))
            return bool(np.ptp(np.asarray(small, np.int16), axis=2).max() > GREY_SPREAD)
    except Exception:  # decoders may raise any exception for a damaged file
        return None


def decoder_versions() -> dict[str, str]:
    """List the library versions on which decoded pictures depend, for a cache key.

    Returns:
        Version by library name.

    Example:
        >>> from zoo.data import decoder_versions
        >>> list(decoder_versions())
        ['pillow']
    """
    return {"pillow": PIL.__version__}


def byte_count(named: NamedSource) -> int:
    """Get the size of a picture file in bytes; 0 if it is missing."""
    source = named[1]
    try:
        return source.stat().st_size if isinstance(source, Path) else len(source or b"")
    except OSError:
        return 0


def explain(error: Exception) -> str:
    """Explain briefly why a picture cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture of a known format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:120] or type(error).__name__
