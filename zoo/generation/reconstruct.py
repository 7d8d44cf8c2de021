"""What a generator makes of pictures: reconstructions, and the way from one to another through the codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.augment import batches
from zoo.build import calling
from zoo.data import Pictures
from zoo.drawing import AT_ONCE, generator, pictures_of, pixels, plain, title
from zoo.errors import DataError, ZooError
from zoo.grid import Block, columns, draw, save_png
from zoo.notebook import page
from zoo.prediction import Skipped, decoded, expand, recipe
from zoo.runs import Run
from zoo.training.device import choose_device

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 64
"""Pairs that a page of reconstructions shows."""
NUMBERED = re.compile(r"test:([0-9]{1,9})")
Lookup = Callable[[Run], Pictures]
"""The test split of a run."""


class Reconstruction(NamedTuple):
    """Pictures, and what a generator makes of their codes."""

    originals: Tensor
    """float32 (N, C, H, W), values 0..1, on the CPU."""
    pictures: Tensor
    """The reconstructions, likewise."""
    names: tuple[str, ...]
    """Path of each original, or `test:` and its number."""
    mse: float
    """Mean squared error of a number of a picture."""
    psnr: float
    """Peak signal-to-noise ratio in decibels, the mean over pictures."""
    skipped: list[Skipped]
    """What could not be read."""

    def grid(self) -> Image:
        """The first 64 pairs on one page, each original above its reconstruction."""
        return pairs(self.originals, self.pictures)

    def _repr_html_(self) -> str | None:
        """In a notebook."""
        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        save_png(Path(path), self.grid())


class Interpolation(NamedTuple):
    """Pictures on the straight line between the codes of two pictures."""

    pictures: Tensor
    """float32 (steps, C, H, W), values 0..1, on the CPU; the first and the last are the two reconstructed."""
    names: tuple[str, str]
    """What it goes from and to."""

    def grid(self) -> Image:
        """All in one row."""
        return draw([Block([pixels(self.pictures)])])

    def _repr_html_(self) -> str | None:
        """In a notebook."""
        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the row as a PNG file."""
        save_png(Path(path), self.grid())


def pairs(above: Tensor, below: Tensor) -> Image:
    """The first 64 pairs of pictures (N, C, H, W) on one page."""
    over, under = pixels(above[:SHOWN]), pixels(below[:SHOWN])
    count = columns(1, 2 * len(over))
    starts = range(0, len(over), count)
    return draw([Block([over[start : start + count], under[start : start + count]]) for start in starts])


def reconstruct_pictures(
    run: Run, paths: Sequence[str], n: int, test_pictures: Lookup, device: str = "auto"
) -> Reconstruction:
    """Encode and decode pictures, as `given` takes them, or the first `n` of the test split without any."""
    place = choose_device(device)
    model = generator(run, place, "reconstruct")
    skipped: list[Skipped] = []
    if paths:
        names, pictures = given(run, paths, test_pictures, skipped)
    else:
        pictures = first(test_pictures(run), n)
        names = [f"test:{number}" for number in range(len(pictures))]
    originals = pictures.floats
    with calling(run.entry.model, "reconstruct with"), torch.inference_mode():
        shown = [plain(model.reconstruct(batch.x)) for batch in batches(pictures, AT_ONCE, place)]
    found = torch.cat(shown) if shown else originals
    errors = (found - originals).double().square().flatten(1).mean(1)
    psnr = (-10 * errors.log10()).mean()
    return Reconstruction(originals, found, tuple(names), errors.mean().item(), psnr.item(), skipped)


def first(pictures: Pictures, n: int) -> Pictures:
    """The first pictures of a split."""
    if n < 1:
        raise ZooError(f"cannot reconstruct {n} pictures", "ask for at least one")
    return Pictures(pictures.x[:n], pictures.y[:n])


def given(run: Run, names: Sequence[str], test_pictures: Lookup, skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Names and pictures of files, of what is in folders, and of `test:12` and the like; what cannot be read is listed.

    Raises DataError for a number that the test split does not have.
    """
    found: list[str] = []
    parts = []
    for numbered, some in groupby(names, lambda name: NUMBERED.fullmatch(name) is not None):
        if numbered:
            each = [(name, end(run, name, test_pictures)) for name in some]
            found += [name for name, _ in each]
            parts += [x for _, x in each]
        else:
            paths, pictures = read(run, map(Path, some), skipped)
            found += paths
            parts.append(pictures.x)
    return found, Pictures.of(torch.cat(parts).permute(0, 2, 3, 1), [0] * len(found))


def read(run: Run, paths: Iterable[Path], skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Paths and pictures in the run's shape; what cannot be read is listed."""
    shape = recipe(run)
    files, found = expand(paths, skipped), []
    while chunk := list(islice(files, shape.chunk)):
        found += decoded(chunk, shape, skipped)
    x = np.stack([picture for _, picture in found]) if found else np.zeros((0, *shape.shape[1:], shape.channels), "u1")
    return [str(path) for path, _ in found], Pictures.of(x, [0] * len(found))


def interpolate_pictures(
    run: Run, ends: tuple[str, str], steps: int, test_pictures: Lookup, device: str = "auto"
) -> Interpolation:
    """Walk in even steps on the straight line between the means of two posteriors, whatever the prior, and decode.

    Each end is a picture file, or `test:12` for that picture of the test split.
    """
    if steps < 2:
        raise ZooError(f"{steps} steps lead nowhere", "take at least 2: the two pictures themselves")
    place = choose_device(device)
    model = generator(run, place, "walk through")
    if model.codec.code.words is not None:
        raise ZooError(f"{title(run)} has code words, and there is no way between words", "take a run of a vae")
    x = torch.cat([end(run, text, test_pictures) for text in ends]).to(place)
    with calling(run.entry.model, "interpolate with"), torch.inference_mode():
        start, goal = model.codes(x.float() / 255).float()
        shares = torch.linspace(0, 1, steps, device=place).view(-1, *(1,) * start.ndim)
        codes = start * (1 - shares) + goal * shares
        return Interpolation(pictures_of(model, codes), ends)


def end(run: Run, text: str, test_pictures: Lookup) -> Tensor:
    """One picture, uint8 (1, C, H, W): of the test split by its number, or a file."""
    if match := NUMBERED.fullmatch(text):
        pictures, number = test_pictures(run).x, int(match[1])
        if number >= len(pictures):
            raise DataError(f"no picture {text}: the test split has test:0 to test:{len(pictures) - 1}")
        return pictures[number : number + 1]
    skipped: list[Skipped] = []
    found = [picture for _, picture in decoded([Path(text)], recipe(run), skipped)]
    if skipped:
        raise DataError(f"{text}: {skipped[0].reason}", "name a picture file, or test:0 for one of the test split")
    return Pictures.of(np.stack(found), [0]).x
