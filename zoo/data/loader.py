"""Batches for training and evaluation: pictures stay on the device as bytes; augmentation is batched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.sections import AugmentSpec
from zoo.core.types import Batch
from zoo.data.augmenter import Augmenter
from zoo.data.balance import balanced_order
from zoo.data.dataset import Pictures, mean_std
from zoo.data.draws import EVERY_EPOCH, epoch_generator


class Draws(NamedTuple):
    """The random numbers of one epoch, one row per position in its order."""

    order: Tensor
    """int64 (N,), rows of the data set."""
    shift: Tensor
    """int32 (N, 2), top and left of the crop in the padded picture."""
    flip: Tensor
    """bool (N,)."""
    centre: Tensor
    """int32 (N, 2), row and column of the centre of the cutout."""
    jitter: Tensor
    """float32 (N, 2), factors of brightness and contrast."""

    def at(self, positions: slice) -> Draws:
        """Select the draws for some positions of the order."""
        return Draws(*(values[positions] for values in self))


class Loader:
    """Deterministic training batches from pictures on a device.

    The same seed, stage, epoch and step give the same batch. `augmenter` augments each batch further.

    Every epoch has `steps` batches of equal size. Pictures that do not fill a batch are left out of that epoch; which
    ones changes with the order. All random numbers of an epoch come from one CPU generator and are copied to the
    device together, so that no step waits for a transfer. With `balance`, a power above 0, pictures of rare classes are
    drawn more often, as `balanced_order` does.
    """

    def __init__(
        self,
        pictures: Pictures,
        batch: int,
        augment: AugmentSpec | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        balance: float = 0.0,
        augmenter: Augmenter | None = None,
    ) -> None:
        # an augmenter without steps is false, as its __bool__ says; it would draw numbers for nothing
        self.augmenter = augmenter or None
        self.device = torch.device(device)
        self.labels, self.balance = pictures.y, balance
        self.x = pictures.to(self.device).nhwc
        self.y, self.texts = pictures.y.to(self.device), pictures.texts
        self.seed = seed
        self.batch = min(batch, len(pictures))
        self.steps = len(pictures) // self.batch
        self.spec = augment or AugmentSpec(pad=0, flip=False)
        _, self.height, self.width, channels = self.x.shape
        self.pad = self.height // 8 if self.spec.pad == "auto" else self.spec.pad
        if self.spec.pad_mode == "reflect" and self.pad >= min(self.height, self.width):
            text = f"train.augment.pad={self.pad} is too large for mirroring {self.width}x{self.height} pictures"
            raise ZooError(text, f"set train.augment.pad={min(self.height, self.width) - 1} or less")
        automatic: dict[bool | str, bool | str] = {"auto": True, "auto-alternate": "alternate"}
        wanted = automatic.get(self.spec.flip, self.spec.flip)
        self.flip = wanted if channels == 3 or self.spec.flip not in automatic else False
        self.rows = torch.arange(self.height, dtype=torch.int32, device=self.device)
        self.columns = torch.arange(self.width, dtype=torch.int32, device=self.device)
        self.column_of = torch.arange(self.width, dtype=torch.int32).repeat_interleave(channels).to(self.device)
        mean = mean_std(pictures)[0] if self.spec.cutout else (0.0,) * channels
        self.fill = torch.tensor(mean).repeat(self.width).to(self.device)
        # the border stays black; only the middle is overwritten
        self.canvas = self.x.new_zeros(self.batch, self.height + 2 * self.pad, self.width + 2 * self.pad, channels)

    def epoch(self, stage: str, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from `start_step` on."""
        on_cpu = self.draw(stage, epoch)
        on_device = Draws(*(values.to(self.device) for values in on_cpu))
        augmenter, order = self.augmenter, on_cpu.order
        texts = None if self.texts is None else self.texts.of_epoch(self.seed, epoch)[order].to(self.device)
        numbers = augmenter and augmenter.numbers(stage, epoch, order, self.batch, start_step, self.device)
        for step in range(start_step, self.steps):
            positions = slice(step * self.batch, (step + 1) * self.batch)
            selected = on_device.at(positions)
            batch = Batch(self.pictures(selected), self.y.index_select(0, selected.order))
            batch = batch if texts is None else batch._replace(texts=texts[positions])
            yield augmenter(batch, next(numbers)) if augmenter and numbers else batch

    def draw(self, stage: str, epoch: int) -> Draws:
        """Sample all random numbers of an epoch, on the CPU."""
        count, spec, generator = len(self.y), self.spec, epoch_generator(self.seed, stage, epoch)
        if self.balance:
            order = balanced_order(self.labels, self.balance, generator)
        else:
            order = torch.randperm(count, generator=generator)
        shift = torch.randint(0, 2 * self.pad + 1, (count, 2), generator=generator, dtype=torch.int32)
        flip = torch.rand(count, generator=generator) < 0.5
        middle = torch.rand(count, 2, generator=generator) * torch.tensor([self.height, self.width])
        spread = torch.tensor([spec.brightness, spec.contrast])
        jitter = 1 + (2 * torch.rand(count, 2, generator=generator) - 1) * spread
        return Draws(order, shift, self.flips(flip, order, stage, epoch), middle.int(), jitter)

    def flips(self, random_half: Tensor, order: Tensor, stage: str, epoch: int) -> Tensor:
        """Choose the pictures to flip, bool (N,), in the order of the epoch.

        `alternate` flips a random half in the first epoch, the other half in the next, and so on (Jordan 2024,
        arXiv:2404.00498).
        """
        if self.flip == "alternate":
            first = torch.rand(len(random_half), generator=epoch_generator(self.seed, stage, EVERY_EPOCH)) < 0.5
            return first[order] ^ (epoch % 2 == 1)
        return random_half & bool(self.flip)

    def pictures(self, draws: Draws) -> Tensor:
        """Augment the selected pictures: float32 (B, C, H, W), values 0..1, channels-last memory."""
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
        """Crop padded pictures (B, H, W, C) and flip some, by a single gather of pixels."""
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
        """Fill a square in each picture (B, H, W * C), clipped at its edges.

        Cutout: DeVries and Taylor 2017, arXiv:1708.04552.
        """
        side, start = self.spec.cutout, centre - self.spec.cutout // 2
        rows, columns = (
            (line >= first) & (line < first + side)
            for line, first in ((self.rows, start[:, :1]), (self.column_of, start[:, 1:]))
        )
        # a float product with lerp_ is several times faster than bool masks with where; 0 and 1 are exact
        return x.lerp_(self.fill, rows[:, :, None].float() * columns[:, None].float())


def batches(pictures: Pictures, size: int, device: torch.device | str = "cpu") -> Iterator[Batch]:
    """Yield all pictures in order, without augmentation.

    Args:
        pictures: The pictures.
        size: Pictures per batch; the last batch may be smaller.
        device: The device of the batches.

    Yields:
        Batches with values 0..1, and the first text of each picture.

    Example:
        >>> import torch
        >>> from zoo.data import Pictures, batches
        >>> pictures = Pictures.of(torch.zeros(5, 4, 4, dtype=torch.uint8), [0, 1, 0, 1, 0])
        >>> [len(batch.y) for batch in batches(pictures, 2)]
        [2, 2, 1]
    """
    nhwc, first = pictures.nhwc, None if pictures.texts is None else pictures.texts.first
    for start in range(0, len(pictures), size):
        rows = slice(start, start + size)
        x = nhwc[rows].to(device).permute(0, 3, 1, 2).to(torch.float32).div_(255)
        yield Batch(x, pictures.y[rows].to(device), texts=None if first is None else first[rows].to(device))


def jitter(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply brightness and contrast of each picture (B, H * W * C) by its factors, clipped to 0..1."""
    x = (x * factors[:, :1]).clamp_(0, 1)
    mean = x.mean(1, keepdim=True)
    return x.sub_(mean).mul_(factors[:, 1:]).add_(mean).clamp_(0, 1)


def reflect(position: Tensor, size: int) -> Tensor:
    """Reflect positions beyond an edge; the edge itself is not repeated.

    Args:
        position: Whole numbers from 1 - size to 2 * size - 2.
        size: The number of pixels between the edges.

    Returns:
        Positions from 0 to size - 1.

    Example:
        >>> import torch
        >>> from zoo.data import reflect
        >>> reflect(torch.arange(-2, 6), 4).tolist()
        [2, 1, 0, 1, 2, 3, 2, 1]
    """
    return (size - 1) - ((size - 1) - position.abs()).abs()
