"""What a trained generator makes: samples, reconstructions, and ways from one picture to another."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.augment import batches
from zoo.build import calling
from zoo.data import Pictures
from zoo.errors import DataError, ZooError, nearest
from zoo.grid import Block, Pixels, columns, draw, save_png, wrapped
from zoo.latent import Generator, fixed_draws
from zoo.model import Classifier
from zoo.prediction import Skipped, decoded, expand, recipe
from zoo.runs import Run
from zoo.training.device import choose_device

if TYPE_CHECKING:
    from PIL.Image import Image

AT_ONCE = 256
"""Pictures that are decoded at a time."""
SHOWN = 64
"""Pairs that a page of reconstructions shows."""
NUMBERED = re.compile(r"test:([0-9]{1,9})")
Lookup = Callable[[Run], Pictures]


class Samples(NamedTuple):
    """Pictures drawn from a generator."""

    pictures: Tensor
    """float32 (N, C, H, W), values 0..1, on the CPU."""
    labels: tuple[str, ...]
    """The class that each was drawn for; empty where the prior takes no classes."""

    def grid(self) -> Image:
        """All on one page; where they have classes, row by row."""
        x = pixels(self.pictures)
        if not self.labels:
            return draw([wrapped(x, columns(1, len(x)))])
        named = np.array(self.labels)
        rows = {name: x[named == name] for name in dict.fromkeys(self.labels)}
        count = columns(len(rows), max(map(len, rows.values())))
        return draw([wrapped(row, count, name) for name, row in rows.items()])

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        save_png(Path(path), self.grid())


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
        above, below = pixels(self.originals[:SHOWN]), pixels(self.pictures[:SHOWN])
        count = columns(1, 2 * len(above))
        starts = range(0, len(above), count)
        return draw([Block([above[start : start + count], below[start : start + count]]) for start in starts])

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

    def save(self, path: str | Path) -> None:
        """Write the row as a PNG file."""
        save_png(Path(path), self.grid())


def sample(
    run: Run, n: int | None, labels: Sequence[str], seed: int, temperature: float, device: str = "auto"
) -> Samples:
    """Draw pictures, of the given classes or of all where the prior takes classes; the same seed gives the same.

    Without `n` there are 64, or some more so that all classes have equally many.
    """
    if n is not None and n < 1:
        raise ZooError(f"cannot sample {n} pictures", "ask for at least one")
    if not 0 < temperature < math.inf:
        raise ZooError(f"the temperature must be above 0, got {temperature}")
    if not 0 <= seed < 2**63:
        raise ZooError(f"the seed must be a whole number from 0 to {2**63 - 1}, got {seed}")
    place = choose_device(device)
    model = generator(run, place, "sample")
    classes = wanted(run, model, labels)
    total = n or (-(-SHOWN // len(classes)) * len(classes) if classes else SHOWN)
    chosen = [classes[index * len(classes) // total] for index in range(total)] if classes else []
    with calling(run.entry.model, "sample from"), fixed_draws(place, seed), torch.inference_mode():
        parts = [drawn(model, total, chosen, start, temperature, place) for start in range(0, total, AT_ONCE)]
    return Samples(torch.cat(parts), tuple(run.info.classes[label] for label in chosen))


def drawn(
    model: Generator, total: int, labels: Sequence[int], start: int, temperature: float, place: torch.device
) -> Tensor:
    """The next pictures of so many, float32 (at most 256, C, H, W) on the CPU."""
    y = torch.tensor(labels[start : start + AT_ONCE], device=place) if labels else None
    return plain(model.sample(min(AT_ONCE, total - start), y, temperature))


def plain(shown: Tensor) -> Tensor:
    """Decoded pictures as float32 with values 0..1 on the CPU; a code far out may overflow, which is shown black."""
    return shown.float().nan_to_num(nan=0.0).clamp(0, 1).cpu()


def wanted(run: Run, model: Generator, labels: Sequence[str]) -> list[int]:
    """The classes to draw: those asked for, or all; none where the prior does not take any."""
    known = run.info.classes
    if not labels:
        return list(range(len(known))) if model.prior.conditional else []
    if not model.prior.conditional:
        kind = run.entry.prior.name if run.entry.prior else "prior"
        raise ZooError(
            f"{title(run)} samples no class by itself: its prior {kind!r} takes no labels",
            "sample without --label, or train one with a prior that does, as vq-vae with prior.kind=transformer",
        )
    for label in labels:
        if label not in known:
            raise ZooError(f"{title(run)} knows no class {label[:80]!r}", nearest(label, known))
    return [known.index(label) for label in dict.fromkeys(labels)]


def reconstruct(run: Run, paths: Iterable[Path], n: int, test_pictures: Lookup, device: str = "auto") -> Reconstruction:
    """Encode and decode picture files and the pictures in folders, or the first `n` of the test split without any."""
    place = choose_device(device)
    model = generator(run, place, "reconstruct")
    paths, skipped = list(paths), list[Skipped]()
    if paths:
        names, pictures = read(run, paths, skipped)
    else:
        pictures = first(test_pictures(run), n)
        names = [f"test:{number}" for number in range(len(pictures))]
    originals = (pictures.x.float() / 255).contiguous()
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


def read(run: Run, paths: Iterable[Path], skipped: list[Skipped]) -> tuple[list[str], Pictures]:
    """Paths and pictures in the run's shape; what cannot be read is listed."""
    shape = recipe(run)
    files, found = expand(paths, skipped), []
    while chunk := list(islice(files, shape.chunk)):
        found += decoded(chunk, shape, skipped)
    x = np.stack([picture for _, picture in found]) if found else np.zeros((0, *shape.shape[1:], shape.channels), "u1")
    return [str(path) for path, _ in found], Pictures.of(x, [0] * len(found))


def interpolate(
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
        shown = torch.cat([plain(model.codec.decode(part)) for part in codes.split(AT_ONCE)])
    return Interpolation(shown, ends)


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


def generator(run: Run, place: torch.device, what: str) -> Generator:
    """The trained model of a run; ZooError where it is no generator."""
    model = run.model(place)
    if isinstance(model, Generator):
        return model
    if isinstance(model, Classifier):
        raise ZooError(f"{title(run)} is a classifier: it has nothing to {what}", "try zoo predict")
    raise ZooError(f"{title(run)} is no generator: it has nothing to {what}")


def title(run: Run) -> str:
    """The name of a run's folder."""
    return run.path.resolve().name


def pixels(pictures: Tensor) -> Pixels:
    """Pictures with values 0..1 (N, C, H, W) as uint8 (N, H, W, C)."""
    found: Pixels = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return found
