"""Reconstruct pictures with a generator, and interpolate between two pictures through their codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.loader import batches
from zoo.display.grid import PictureRows, choose_columns, draw_grid, to_uint8
from zoo.generation.model_of import as_names, check_count, load_generator
from zoo.generation.page import PicturePage
from zoo.models.device import choose_device
from zoo.models.latent import MAX_PSNR
from zoo.models.sampling import DECODE_BATCH, decode_images, to_images
from zoo.registry.blame import plugin_errors
from zoo.runs.find import load
from zoo.runs.inputs import Skipped, first_pictures, load_test_split, read_inputs, read_pictures
from zoo.runs.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image


MAX_PAIRS_ON_PAGE = 64
"""Maximum number of pairs on a page."""


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction(PicturePage):
    """Pictures and their reconstructions."""

    originals: Tensor
    """float32 (N, C, H, W), values 0..1, on the CPU."""
    pictures: Tensor
    """Reconstructions, in the same format."""
    names: tuple[str, ...]
    """Path of each original, or `test:` and its number."""
    mse: float
    """Mean squared error per value of a picture."""
    psnr: float
    """Peak signal-to-noise ratio in decibels, the mean over pictures."""
    skipped: list[Skipped]
    """Files that could not be read."""

    def grid(self) -> Image:
        """The first 64 pairs on one page, each original above its reconstruction."""
        return draw_pairs(
            self.originals, self.pictures, f"above: originals; below: reconstructions, PSNR {self.psnr:.1f} dB"
        )

    def __repr__(self) -> str:
        """Describe the pictures in one line."""
        return f"<Reconstruction of {len(self.pictures)} pictures, PSNR {self.psnr:.1f} dB>"


@dataclass(frozen=True, eq=False, repr=False)
class Interpolation(PicturePage):
    """Pictures on the straight line between the codes of two pictures."""

    pictures: Tensor
    """float32 (steps, C, H, W), values 0..1, on the CPU; the first and the last are the two reconstructed."""
    names: tuple[str, str]
    """Names of the first and the last picture."""

    def grid(self) -> Image:
        """All pictures in one row."""
        return draw_grid([PictureRows([to_uint8(self.pictures)])], f"from {self.names[0]} to {self.names[1]}")

    def __repr__(self) -> str:
        """Describe the pictures in one line."""
        return f"<Interpolation: {len(self.pictures)} pictures from {self.names[0]!r} to {self.names[1]!r}>"


def draw_pairs(above: Tensor, below: Tensor, caption: str) -> Image:
    """Draw the first 64 pairs of pictures (N, C, H, W) on one page below a caption."""
    over, under = to_uint8(above[:MAX_PAIRS_ON_PAGE]), to_uint8(below[:MAX_PAIRS_ON_PAGE])
    count = choose_columns(1, 2 * len(over))
    starts = range(0, len(over), count)
    rows = [PictureRows([over[start : start + count], under[start : start + count]]) for start in starts]
    return draw_grid(rows, caption)


def reconstruct(
    run: Run | str | Path, pictures: str | Path | Sequence[str | Path] = (), n: int = 32, device: str = "auto"
) -> Reconstruction:
    """Encode and decode pictures with a generator, and measure the error.

    Args:
        run: A run of a generator that is open, its folder, a name below `runs`, an entry or a study.
        pictures: Files, folders, or `test:12` for a picture of the test split; by default the first `n` of that split.
        n: The number of test pictures if `pictures` is empty.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        The originals, the reconstructions, the mean squared error and the PSNR.

    Raises:
        ZooError: If there is no such run, or its model is not a generator.

    Example:
        >>> import zoo
        >>> zoo.reconstruct("vae", n=4).psnr  # doctest: +SKIP
        24.1
    """
    run = load(run, pictures=pictures)
    torch_device = choose_device(device)
    model = load_generator(run, torch_device, "reconstruct")
    skipped: list[Skipped] = []
    if paths := as_names(pictures):
        names, inputs = read_inputs(run, paths, skipped)
    else:
        inputs = first_pictures(load_test_split(run), n)
        names = [f"test:{number}" for number in range(len(inputs))]
    originals = inputs.floats
    with plugin_errors(run.entry.model, "reconstruct with"), torch.inference_mode():
        shown = [to_images(model.reconstruct(batch.x)) for batch in batches(inputs, DECODE_BATCH, torch_device)]
    found = torch.cat(shown) if shown else originals
    errors = (found - originals).double().square().flatten(1).mean(1)
    psnr = (-10 * errors.log10()).clamp(max=MAX_PSNR).mean()
    return Reconstruction(originals, found, tuple(names), errors.mean().item(), psnr.item(), skipped)


def interpolate(
    run: Run | str | Path, start: str | Path, goal: str | Path, steps: int = 9, device: str = "auto"
) -> Interpolation:
    """Decode codes on the straight line between the codes of two pictures.

    The ends of the line are the means of the two posteriors, independent of the prior.

    Args:
        run: A run of a generator with continuous codes that is open, its folder, a name below `runs`, an entry or
            a study.
        start: The first picture, a file or `test:12` for a picture of the test split.
        goal: The last picture, a file or `test:12` for a picture of the test split.
        steps: The number of pictures, ends included; at least 2.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        The decoded pictures, in order.

    Raises:
        ZooError: If there is no such run, its model has code words, or a picture cannot be read.

    Example:
        >>> import zoo
        >>> zoo.interpolate("vae", "test:0", "test:1", steps=5)  # doctest: +SKIP
    """
    run, ends = load(run, pictures=(start, goal)), (str(start), str(goal))
    if steps < 2:
        raise ZooError(f"cannot interpolate in {steps} steps", "use at least 2, the two pictures themselves")
    check_count(run, steps)
    torch_device = choose_device(device)
    model = load_generator(run, torch_device, "interpolate with")
    if model.codec.code.words is not None:
        raise ZooError(f"{run.name} has discrete code words, which cannot be interpolated", "use a run of a vae")
    x = read_pictures(run, ends).to(torch_device)
    with plugin_errors(run.entry.model, "interpolate with"), torch.inference_mode():
        first_code, last_code = model.codes(x.float() / 255).float()
        shares = torch.linspace(0, 1, steps, device=torch_device).view(-1, *(1,) * first_code.ndim)
        codes = first_code * (1 - shares) + last_code * shares
        return Interpolation(decode_images(model, codes), ends)
