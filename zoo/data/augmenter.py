"""Apply an ordered list of augmentations to the batches of a training, each with a probability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.core.transfer import to_device
from zoo.core.types import Batch
from zoo.data.augment import Augment, Mix, OneOf
from zoo.data.draws import EVERY_EPOCH, epoch_generator

MAX_NUMBERS = 4_000_000
"""Random numbers that are drawn and copied to the device together."""


class Step(NamedTuple):
    """One augmentation of an ordered list."""

    augment: Augment | Mix
    p: float = 1.0
    """The share of the pictures to which it is applied."""
    alternate: bool = False
    """Whether a picture's turn alternates over the epochs rather than being drawn anew in each."""


class Numbers(NamedTuple):
    """Uniform random numbers of a batch, float32 (N, D): on its device, and the same on the CPU."""

    device: Tensor
    host: Tensor

    def columns(self, start: int, end: int | None = None) -> Numbers:
        """Select some of the numbers of every picture."""
        return Numbers(self.device[:, start:end], self.host[:, start:end])

    def rows(self, chosen: Tensor) -> Numbers:
        """Select the numbers of some pictures, by their positions on the CPU."""
        there = to_device(chosen, self.device.device)
        return Numbers(self.device.index_select(0, there), self.host.index_select(0, chosen))


class Augmenter:
    """Ordered augmentations with the random numbers that they are given.

    All numbers depend on seed, stage, epoch and step only. Which pictures are augmented is known on the CPU, so that no
    step waits for the device.
    """

    def __init__(self, steps: Sequence[Step], classes: int, seed: int = 0) -> None:
        self.steps, self.classes, self.seed = tuple(steps), classes, seed
        self.total = sum(1 + step.augment.draws for step in self.steps)
        self.mixes = any(isinstance(step.augment, Mix) for step in self.steps)

    def __bool__(self) -> bool:
        """Return whether there is anything to apply."""
        return bool(self.steps)

    def numbers(
        self, stage: str, epoch: int, order: Tensor, batch: int, start: int, device: torch.device
    ) -> Iterator[Numbers]:
        """Yield the random numbers of the steps of an epoch from `start` on; `order` has its rows, on the CPU."""
        steps, turns = len(order) // batch, self.turns(stage, epoch, order)
        together = max(1, MAX_NUMBERS // (batch * max(1, self.total)))
        for first in range(start - start % together, steps, together):
            count = min(together, steps - first) * batch
            generator = epoch_generator(self.seed, f"{stage}/augment/{first}", epoch)
            host = torch.rand(count, self.total, generator=generator)
            for column, turn in turns.items():
                host[:, column] = turn[first * batch : first * batch + count]
            both = Numbers(to_device(host, device), host)
            for step in range(max(start, first), first + count // batch):
                at = slice((step - first) * batch, (step - first + 1) * batch)
                yield Numbers(both.device[at], both.host[at])

    def turns(self, stage: str, epoch: int, order: Tensor) -> dict[int, Tensor]:
        """Compute the first numbers of alternating augmentations, by column, in the order of the epoch.

        A picture's number moves on by the probability in each epoch, so that each picture has its turn equally often
        (Jordan 2024, arXiv:2404.00498, for a half).
        """
        found, column = {}, 0
        for index, step in enumerate(self.steps):
            if step.alternate:
                generator = epoch_generator(self.seed, f"{stage}/turn/{index}", EVERY_EPOCH)
                first = torch.rand(len(order), generator=generator, dtype=torch.float64)
                found[column] = ((first[order] + epoch * step.p) % 1).float()
            column += 1 + step.augment.draws
        return found

    def __call__(self, batch: Batch, numbers: Numbers) -> Batch:
        """Augment a batch of float32 pictures, which are overwritten."""
        x, targets, column = batch.x, None, 0
        for augment, p, _ in self.steps:
            mine = numbers.columns(column, column + 1 + augment.draws)
            column += 1 + augment.draws
            rows = None if p >= 1 else (mine.host[:, 0] < p).nonzero().squeeze(1)
            if isinstance(augment, Mix):
                targets = F.one_hot(batch.y, self.classes).float() if targets is None else targets
                x, targets = mix_rows(augment, x, targets, mine.columns(1), rows)
            else:
                x = apply_to(augment, x, mine.columns(1), rows)
        if targets is None:
            return batch._replace(x=x)
        return batch._replace(x=x, y=targets.argmax(1), targets=targets)


def apply_to(augment: Augment, x: Tensor, numbers: Numbers, rows: Tensor | None = None) -> Tensor:
    """Apply an augmentation to all pictures, or to those at some positions on the CPU, which are replaced."""
    if rows is not None and len(rows) < len(x):
        if not len(rows):
            return x
        where = to_device(rows, x.device)
        return replace_rows(x, where, apply_to(augment, select_rows(x, where), numbers.rows(rows)))
    if isinstance(augment, OneOf):
        chosen = (numbers.host[:, 0] * len(augment.choices)).long().clamp_(max=len(augment.choices) - 1)
        for index, choice in enumerate(augment.choices):
            mine = (chosen == index).nonzero().squeeze(1)
            x = apply_to(choice, x, numbers.columns(1, 1 + choice.draws), mine)
        return x
    return augment(x, numbers.host if augment.on_cpu else numbers.device)


def mix_rows(
    mix: Mix, x: Tensor, targets: Tensor, numbers: Numbers, rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mix each picture, or those at some positions, and its targets (N, K) with the one before it in the batch."""
    if rows is not None and not len(rows):
        return x, targets
    where = to_device(torch.arange(len(x)) if rows is None else rows, x.device)
    before = (where - 1) % len(x)
    mine, other = select_rows(x, where), select_rows(x, before)
    used = numbers if rows is None else numbers.rows(rows)
    mixed, share = mix.mix(mine, other, used.host if mix.on_cpu else used.device)
    share = share.to(targets)[:, None]
    both = targets[where] * share + targets[before] * (1 - share)
    return replace_rows(x, where, mixed), targets.index_copy(0, where, both)


def select_rows(x: Tensor, where: Tensor) -> Tensor:
    """Select pictures (N, C, H, W) by their positions, with the memory format of `x`."""
    return x.permute(0, 2, 3, 1).index_select(0, where).permute(0, 3, 1, 2)


def replace_rows(x: Tensor, where: Tensor, new: Tensor) -> Tensor:
    """Replace pictures (N, C, H, W) at some positions, in place where the memory allows it."""
    x.permute(0, 2, 3, 1).index_copy_(0, where, new.permute(0, 2, 3, 1))
    return x
