"""Pictures as uint8 tensors: what a data kind loads, how it is split, and where the decoded set is kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.core.errors import DataError
from zoo.core.types import DataInfo

CHUNK = 2048
"""Pictures that are counted at a time: all of a set at once would take another third of its memory."""
log = logging.getLogger("zoo")


@dataclass(frozen=True)
class Pictures:
    """Pictures with their labels; memory is laid out channels-last, so that a batch needs no transposition."""

    x: Tensor
    """uint8 (N, C, H, W)."""
    y: Tensor
    """int64 (N,)."""

    @classmethod
    def of(cls, nhwc: NDArray[Any] | Tensor, labels: Sequence[int] | NDArray[Any] | Tensor) -> Pictures:
        """From uint8 (N, H, W, C) or (N, H, W), as decoders give them, without a copy."""
        x = torch.as_tensor(nhwc)
        x = x.unsqueeze(-1) if x.ndim == 3 else x
        return cls(x.permute(0, 3, 1, 2), torch.as_tensor(labels, dtype=torch.int64))

    @property
    def nhwc(self) -> Tensor:
        """The pictures as contiguous uint8 (N, H, W, C); a copy only where another layout came in."""
        return self.x.permute(0, 2, 3, 1).contiguous()

    @property
    def floats(self) -> Tensor:
        """All of them, float32 (N, C, H, W) with values 0..1; a copy."""
        return (self.x.float() / 255).contiguous()

    def __len__(self) -> int:
        return len(self.x)

    def subset(self, rows: Tensor) -> Pictures:
        """A copy of the pictures at the given rows, int64 (M,)."""
        return Pictures(self.nhwc.index_select(0, rows).permute(0, 3, 1, 2), self.y.index_select(0, rows))

    def fingerprint(self) -> str:
        """The SHA-256 of pictures and labels: whether two sets are the same, whatever they were read from."""
        return checksum({"x": self.nhwc.cpu(), "y": self.y.cpu()})

    def to(self, device: torch.device | str) -> Pictures:
        """The same pictures on a device."""
        return Pictures(self.x.to(device), self.y.to(device))


@dataclass(frozen=True)
class Loaded:
    """What a data kind loads: the splits that the set itself has, and the files that could not be read."""

    train: Pictures
    classes: tuple[str, ...]
    test: Pictures | None = None
    valid: Pictures | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    """Path and reason of each picture that was left out."""
    captions: tuple[tuple[str, ...], ...] = ()
    """Other words for each class; empty where there are none."""

    def parts(self) -> dict[str, Pictures]:
        """The splits that are there, by name."""
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


class Splits(NamedTuple):
    """Pictures to learn from, to choose by and to report; valid or test is empty where a share of 0 was asked for."""

    train: Pictures
    valid: Pictures
    test: Pictures
    info: DataInfo


def mean_std(pictures: Pictures) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel for values scaled to 0..1, exact because bytes are only counted."""
    nhwc, channels = pictures.nhwc, pictures.x.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for start in range(0, len(nhwc), CHUNK):
        for channel in range(channels):
            values = nhwc[start : start + CHUNK, ..., channel].reshape(-1)
            counts[channel] += torch.bincount(values, minlength=256).cpu()
    share, level = counts.double() / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = (share * level).sum(1)
    std = (share * (level - mean[:, None]).square()).sum(1).sqrt()
    return tuple(mean.tolist()), tuple(std.tolist())


def check(loaded: Loaded) -> None:
    """Raise DataError with one line where the pictures cannot be trained on."""
    train, classes = loaded.train, loaded.classes
    for name, part in loaded.parts().items():
        check_part(name, part, len(classes))
        if part.x.shape[1:] != train.x.shape[1:]:
            raise DataError(f"train pictures are {size(train)}, {name} pictures {size(part)}; make them equal")
    if len(classes) < 2:
        raise DataError(f"all pictures are of one class, {classes[0]!r}; a classifier needs at least two classes")
    if len(loaded.captions) not in (0, len(classes)):
        raise DataError(f"captions for {len(loaded.captions)} of {len(classes)} classes; the data kind must give all")
    require_all_classes(train, classes, "add some, or remove the class")


def check_part(name: str, part: Pictures, classes: int) -> None:
    """Raise DataError where one split is empty or is not what a data kind must give."""
    if (
        part.x.dtype != torch.uint8
        or part.x.ndim != 4
        or part.y.dtype != torch.int64
        or part.y.shape != part.x.shape[:1]
    ):
        raise DataError(f"{name} pictures must be uint8 (N, C, H, W) with int64 labels (N,); the data kind gave others")
    if not len(part) or not part.x.numel():
        raise DataError(f"there are no {name} pictures; look at the path and at what it holds")
    low, high = int(part.y.min()), int(part.y.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise DataError(f"{name} has a picture with label {wrong}, but there are {classes} class names; correct either")


def require_all_classes(train: Pictures, classes: tuple[str, ...], advice: str) -> None:
    """Raise DataError where a class has no training picture."""
    counts = torch.bincount(train.y, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]:
        names = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise DataError(f"no training picture of class {names}; {advice}")


def size(pictures: Pictures) -> str:
    """Channels, height and width as people write them: 3x32x32."""
    return "x".join(str(side) for side in pictures.x.shape[1:])


def checksum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes and content."""
    total = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        total.update(f"{name} {tuple(value.shape)} ".encode())
        total.update(value.numpy().data)
    return total.hexdigest()
