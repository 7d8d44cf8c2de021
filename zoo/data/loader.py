"""Batches for training and evaluation: the set lies on the device as bytes, augmentation works on whole batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.sections import AugmentSpec
from zoo.core.types import Batch
from zoo.data.dataset import Pictures, mean_std

EVERY_EPOCH = -1
"""Stands for the epoch in draws that are made once for a whole stage."""


class Draws(NamedTuple):
    """The random numbers of one epoch, one row for each place in its order."""

    order: Tensor
    """int64 (N,), rows of the set."""
    shift: Tensor
    """int32 (N, 2), top and left of the crop within the padded picture."""
    flip: Tensor
    """bool (N,)."""
    centre: Tensor
    """int32 (N, 2), row and column of the middle of the cutout."""
    jitter: Tensor
    """float32 (N, 2), factors of brightness and contrast."""

    def at(self, places: slice) -> Draws:
        """The draws for some places of the order."""
        return Draws(*(values[places] for values in self))


class Loader:
    """Training batches from pictures held once on a device; the same seed, stage, epoch and step give the same batch.

    Every epoch has `steps` batches of equal size. Pictures that do not fill a batch are left out of that epoch; which
    ones changes with the order. All draws of an epoch come from one CPU generator and go to the device together, so a
    step waits for nothing.
    """

    def __init__(
        self,
        pictures: Pictures,
        batch: int,
        augment: AugmentSpec | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.x = pictures.to(self.device).nhwc
        self.y = pictures.y.to(self.device)
        self.seed = seed
        self.batch = min(batch, len(pictures))
        self.steps = len(pictures) // self.batch
        self.spec = augment or AugmentSpec(pad=0, flip=False)
        _, self.height, self.width, channels = self.x.shape
        self.pad = self.height // 8 if self.spec.pad == "auto" else self.spec.pad
        if self.spec.pad_mode == "reflect" and self.pad >= min(self.height, self.width):
            raise ZooError(f"pad {self.pad} is too large for mirroring {self.width}x{self.height} pictures; reduce it")
        self.flip = channels == 3 if self.spec.flip == "auto" else self.spec.flip
        self.rows = torch.arange(self.height, dtype=torch.int32, device=self.device)
        self.columns = torch.arange(self.width, dtype=torch.int32, device=self.device)
        self.column_of = torch.arange(self.width, dtype=torch.int32).repeat_interleave(channels).to(self.device)
        mean = mean_std(pictures)[0] if self.spec.cutout else (0.0,) * channels
        self.fill = torch.tensor(mean).repeat(self.width).to(self.device)
        # its border stays black, only the middle is written again
        self.canvas = self.x.new_zeros(self.batch, self.height + 2 * self.pad, self.width + 2 * self.pad, channels)

    def epoch(self, stage: str, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from `start_step` on."""
        draws = Draws(*(values.to(self.device) for values in self.draw(stage, epoch)))
        for step in range(start_step, self.steps):
            chosen = draws.at(slice(step * self.batch, (step + 1) * self.batch))
            yield Batch(self.pictures(chosen), self.y.index_select(0, chosen.order))

    def draw(self, stage: str, epoch: int) -> Draws:
        """All random numbers of an epoch, on the CPU."""
        count, spec, draw = len(self.y), self.spec, epoch_generator(self.seed, stage, epoch)
        order = torch.randperm(count, generator=draw)
        shift = torch.randint(0, 2 * self.pad + 1, (count, 2), generator=draw, dtype=torch.int32)
        flip = torch.rand(count, generator=draw) < 0.5
        middle = torch.rand(count, 2, generator=draw) * torch.tensor([self.height, self.width])
        spread = torch.tensor([spec.brightness, spec.contrast])
        jitter = 1 + (2 * torch.rand(count, 2, generator=draw) - 1) * spread
        return Draws(order, shift, self.flips(flip, order, stage, epoch), middle.int(), jitter)

    def flips(self, drawn: Tensor, order: Tensor, stage: str, epoch: int) -> Tensor:
        """Which pictures of the order are mirrored, bool (N,).

        `alternate` mirrors a random half in the first epoch and the other half in the next, and so on (Jordan 2024,
        arXiv:2404.00498).
        """
        if self.flip == "alternate":
            first = torch.rand(len(drawn), generator=epoch_generator(self.seed, stage, EVERY_EPOCH)) < 0.5
            return first[order] ^ (epoch % 2 == 1)
        return drawn & bool(self.flip)

    def pictures(self, draws: Draws) -> Tensor:
        """The chosen pictures, augmented: float32 (B, C, H, W) with values 0..1 in channels-last memory."""
        x = self.x.index_select(0, draws.order)
        if self.pad or self.flip:
            x = self.crop(x, draws.shift, draws.flip)
        x = x.to(torch.float32).div_(255)
        if self.spec.brightness or self.spec.contrast:
            x = jitter(x.flatten(1), draws.jitter).view_as(x)
        if self.spec.cutout:
            x = self.cut(x.flatten(2), draws.centre).view_as(x)
        return x.permute(0, 3, 1, 2)

    def crop(self, x: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
        """Cut windows out of padded pictures and mirror some, (B, H, W, C): one gather of pixels does both."""
        rows = self.rows + shift[:, :1]
        columns = torch.where(flip[:, None], self.width - 1 - self.columns, self.columns) + shift[:, 1:]
        if self.pad and self.spec.pad_mode == "reflect":
            rows, columns = reflect(rows - self.pad, self.height), reflect(columns - self.pad, self.width)
        elif self.pad:
            self.canvas[:, self.pad : -self.pad, self.pad : -self.pad] = x
            x = self.canvas
        count, height, width, channels = x.shape
        first = torch.arange(0, count * height, height, dtype=torch.int32, device=x.device)
        pixels = (first[:, None] + rows)[:, :, None] * width + columns[:, None]
        return x.view(-1, channels).index_select(0, pixels.view(-1)).view(count, self.height, self.width, channels)

    def cut(self, x: Tensor, centre: Tensor) -> Tensor:
        """Paint a square over each picture (B, H, W * C), clipped at its edges.

        Cutout: DeVries and Taylor 2017, arXiv:1708.04552.
        """
        side, start = self.spec.cutout, centre - self.spec.cutout // 2
        rows, columns = (
            (line >= first) & (line < first + side)
            for line, first in ((self.rows, start[:, :1]), (self.column_of, start[:, 1:]))
        )
        # a product of floats and lerp_ are several times faster here than bool masks and where; 0 and 1 are exact
        return x.lerp_(self.fill, rows[:, :, None].float() * columns[:, None].float())


def batches(pictures: Pictures, size: int, device: torch.device | str = "cpu") -> Iterator[Batch]:
    """Yield all pictures in their order, without augmentation.

    Args:
        pictures: The pictures.
        size: Pictures per batch; the last batch may be smaller.
        device: The device of the batches.

    Yields:
        Batches with values 0..1.

    Example:
        >>> import torch
        >>> from zoo.data import Pictures, batches
        >>> pictures = Pictures.of(torch.zeros(5, 4, 4, dtype=torch.uint8), [0, 1, 0, 1, 0])
        >>> [len(batch.y) for batch in batches(pictures, 2)]
        [2, 2, 1]
    """
    nhwc = pictures.nhwc
    for start in range(0, len(pictures), size):
        x = nhwc[start : start + size].to(device).permute(0, 3, 1, 2).to(torch.float32).div_(255)
        yield Batch(x, pictures.y[start : start + size].to(device))


def jitter(x: Tensor, factors: Tensor) -> Tensor:
    """Brightness and contrast of each picture (B, H * W * C) multiplied by its factors, clipped to 0..1."""
    x = (x * factors[:, :1]).clamp_(0, 1)
    mean = x.mean(1, keepdim=True)
    return x.sub_(mean).mul_(factors[:, 1:]).add_(mean).clamp_(0, 1)


def reflect(at: Tensor, size: int) -> Tensor:
    """Positions beyond an edge folded back inside; the edge itself is not repeated."""
    return (size - 1) - ((size - 1) - at.abs()).abs()


def epoch_generator(seed: int, stage: str, epoch: int) -> torch.Generator:
    """A CPU generator for one epoch of one stage."""
    text = f"{seed}/{stage}/{epoch}".encode()
    value = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(value)
