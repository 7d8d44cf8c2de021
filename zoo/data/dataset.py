"""Pictures as uint8 tensors, as data kinds load them, and checks of them."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.core.errors import DataError
from zoo.core.notes import note
from zoo.core.types import DataInfo
from zoo.data.texts import PictureText, Texts

COUNT_CHUNK = 2048
"""Pictures counted at a time; counting all at once would need a third more memory."""
log = logging.getLogger("zoo")


@dataclass(frozen=True)
class Pictures:
    """Pictures with their labels, in channels-last memory so that a batch needs no transposition.

    Args:
        x: Pictures, uint8 (N, C, H, W).
        y: Labels, int64 (N,).
        names: Name of each picture, such as its path within the data set; empty if they have none.
        texts: Texts of each picture, such as captions; None if there are none.

    Example:
        >>> import torch
        >>> from zoo.data import Pictures
        >>> pictures = Pictures.of(torch.zeros(5, 8, 8, 3, dtype=torch.uint8), [0, 1, 0, 1, 0])
        >>> len(pictures), tuple(pictures.x.shape)
        (5, (5, 3, 8, 8))
    """

    x: Tensor
    """uint8 (N, C, H, W)."""
    y: Tensor
    """int64 (N,)."""
    names: tuple[str, ...] = ()
    """Name of each picture, such as its path within the data set; empty if they have none."""
    texts: Texts | None = None
    """Texts of each picture, such as captions; None if there are none."""

    @classmethod
    def of(
        cls,
        nhwc: NDArray[Any] | Tensor,
        labels: Sequence[int] | NDArray[Any] | Tensor,
        names: Sequence[str] = (),
        texts: Iterable[PictureText] | None = None,
    ) -> Pictures:
        """Create a set of pictures from the layout of decoders, without a copy.

        Args:
            nhwc: Pictures, uint8 (N, H, W, C), or (N, H, W) if they are grey.
            labels: N integers; all 0 if the data has no classes.
            names: Name of each picture; empty if they have none.
            texts: For each picture a text, several texts, or None; None if there are no texts at all.

        Returns:
            The pictures and labels as tensors; `x` shares the memory of `nhwc`.

        Example:
            >>> import numpy as np
            >>> from zoo.data import Pictures
            >>> Pictures.of(np.zeros((2, 8, 8), np.uint8), [0, 1]).y
            tensor([0, 1])
        """
        x = torch.as_tensor(nhwc)
        x = x.unsqueeze(-1) if x.ndim == 3 else x
        found = None if texts is None else Texts.of(texts)
        return cls(x.permute(0, 3, 1, 2), torch.as_tensor(labels, dtype=torch.int64), tuple(names), found)

    @property
    def nhwc(self) -> Tensor:
        """The pictures as contiguous uint8 (N, H, W, C).

        This is a copy only if `x` is not in channels-last memory.
        """
        return self.x.permute(0, 2, 3, 1).contiguous()

    @property
    def floats(self) -> Tensor:
        """A copy of the pictures as float32 (N, C, H, W) with values 0..1.

        Example:
            >>> import torch
            >>> from zoo.data import Pictures
            >>> white = Pictures.of(torch.full((1, 2, 2), 255, dtype=torch.uint8), [0])
            >>> white.floats.mean().item()
            1.0
        """
        return (self.x.float() / 255).contiguous()

    @property
    def text_table(self) -> tuple[str, ...]:
        """All different texts, to which the `texts` of a batch refer, or none."""
        return () if self.texts is None else self.texts.table

    def __len__(self) -> int:
        return len(self.x)

    def subset(self, rows: Tensor) -> Pictures:
        """Select pictures by row, as a copy.

        Args:
            rows: Indices, int64 (M,).

        Returns:
            M pictures in the order of the rows.

        Example:
            >>> import torch
            >>> from zoo.data import Pictures
            >>> pictures = Pictures.of(torch.zeros(3, 2, 2, dtype=torch.uint8), [7, 8, 9])
            >>> pictures.subset(torch.tensor([2, 0])).y
            tensor([9, 7])
        """
        names = tuple(self.names[row] for row in rows.tolist()) if self.names else ()
        texts = None if self.texts is None else self.texts.subset(rows)
        x = self.nhwc.index_select(0, rows).permute(0, 3, 1, 2)
        return Pictures(x, self.y.index_select(0, rows), names, texts)

    def fingerprint(self) -> str:
        """Compute the SHA-256 of pictures, labels and texts, independent of their file format and device.

        Returns:
            64 hexadecimal digits; equal if and only if the sets are equal.

        Example:
            >>> import torch
            >>> from zoo.data import Pictures
            >>> x = torch.zeros(1, 2, 2, dtype=torch.uint8)
            >>> Pictures.of(x, [0]).fingerprint() == Pictures.of(x, [1]).fingerprint()
            False
        """
        texts = {} if self.texts is None else {"texts": self.texts.content()}
        return checksum({"x": self.nhwc.cpu(), "y": self.y.cpu(), **texts})

    def to(self, device: torch.device | str) -> Pictures:
        """Copy pictures, labels and indices of texts to a device.

        Args:
            device: A torch device, such as "cuda".

        Returns:
            The pictures on that device; not copied if they are there already.
        """
        texts = None if self.texts is None else self.texts.to(device)
        return replace(self, x=self.x.to(device), y=self.y.to(device), texts=texts)


@dataclass(frozen=True)
class Loaded:
    """Pictures that a data kind loads, in the splits of the data set.

    Args:
        train: Training pictures.
        classes: Class names; a label is an index into them. Empty if pictures have texts only; then labels are all 0.
        test: Test pictures; None to split them off the training pictures.
        valid: Validation pictures; None to split them off the training pictures.
        skipped: Path of each skipped picture, and the reason.
        captions: Other words for each class; empty if there are none.
        notes: What was done to the pictures or left out, each in a few words.

    Example:
        >>> import torch
        >>> from zoo.data import Loaded, Pictures
        >>> train = Pictures.of(torch.zeros(4, 8, 8, dtype=torch.uint8), [0, 1, 0, 1])
        >>> list(Loaded(train, ("cat", "dog")).parts())
        ['train']
    """

    train: Pictures
    classes: tuple[str, ...]
    test: Pictures | None = None
    valid: Pictures | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    """Path and reason of each skipped picture."""
    captions: tuple[tuple[str, ...], ...] = ()
    """Other words for each class; empty if there are none."""
    notes: tuple[str, ...] = ()
    """What was done to the pictures or left out, each in a few words."""

    def parts(self) -> dict[str, Pictures]:
        """List the splits that the data set has.

        Returns:
            The pictures by the name of their split: "train", perhaps "valid" and "test".
        """
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


class Splits(NamedTuple):
    """Pictures for training, validation and testing; valid or test is empty if its share is 0."""

    train: Pictures
    valid: Pictures
    test: Pictures
    info: DataInfo
    notes: tuple[str, ...] = ()
    """What a user should know of them: what they are, what was left out, and what is odd."""


def mean_std(pictures: Pictures) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Compute mean and standard deviation of each channel, scaled to 0..1, exactly from a histogram."""
    nhwc, channels = pictures.nhwc, pictures.x.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for start in range(0, len(nhwc), COUNT_CHUNK):
        for channel in range(channels):
            values = nhwc[start : start + COUNT_CHUNK, ..., channel].reshape(-1)
            counts[channel] += torch.bincount(values, minlength=256).cpu()
    share, level = counts.double() / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = (share * level).sum(1)
    std = (share * (level - mean[:, None]).square()).sum(1).sqrt()
    return tuple(mean.tolist()), tuple(std.tolist())


def check_loaded(loaded: Loaded) -> None:
    """Raise DataError if no model can be trained on the pictures."""
    train, classes = loaded.train, loaded.classes
    if not classes and not has_texts(train):
        raise DataError("the training pictures have neither classes nor texts", "give each a class or a caption")
    for name, part in loaded.parts().items():
        check_split(name, part, max(1, len(classes)))
        if part.x.shape[1:] != train.x.shape[1:]:
            raise DataError(
                f"train pictures are {format_shape(train)}, {name} pictures {format_shape(part)}; make them equal"
            )
    if not all(name.strip() for name in classes):
        raise DataError("a class has an empty name", "give each class a name")
    if repeated := [name for name, count in Counter(classes).items() if count > 1]:
        raise DataError(f"several classes are called {quote_some(repeated)}", "give each class its own name")
    if len(loaded.captions) not in (0, len(classes)):
        raise DataError(
            f"there are captions for {len(loaded.captions)} of {len(classes)} classes; the data kind must provide all"
        )


def check_split(name: str, part: Pictures, classes: int) -> None:
    """Raise DataError if one split is empty or has wrong types, shapes or labels."""
    if (
        part.x.dtype != torch.uint8
        or part.x.ndim != 4
        or part.y.dtype != torch.int64
        or part.y.shape != part.x.shape[:1]
    ):
        raise DataError(
            f"{name} pictures must be uint8 (N, C, H, W) with int64 labels (N,); the data kind returned something else"
        )
    if part.texts is not None and len(part.texts) != len(part):
        raise DataError(f"there are {len(part)} {name} pictures, and texts of {len(part.texts)}; fix one of them")
    if not len(part) or not part.x.numel():
        raise DataError(f"there are no {name} pictures; check the path and its contents")
    low, high = int(part.y.min()), int(part.y.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise DataError(
            f"{name} has a picture with label {wrong}, but there are {classes} class names; fix one of them"
        )


def has_texts(pictures: Pictures) -> bool:
    """Whether any of the pictures has a text."""
    return pictures.texts is not None and bool((pictures.texts.first >= 0).any())


def require_all_classes(train: Pictures, classes: tuple[str, ...]) -> None:
    """Raise DataError if the option `limit` leaves a class without a training picture."""
    counts = torch.bincount(train.y, minlength=len(classes))[: len(classes)]
    if missing := [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]:
        raise DataError(f"no training picture of class {quote_some(missing)}", "increase data.limit")


def leave_out_empty_classes(loaded: Loaded) -> Loaded:
    """Leave out classes without training pictures, from every split, with a note that names them."""
    count = len(loaded.classes)
    if not count:
        return loaded
    used = torch.bincount(loaded.train.y, minlength=count).nonzero().flatten()
    if len(used) == count:
        return loaded
    new_labels = torch.full((count,), -1).index_copy(0, used, torch.arange(len(used)))
    kept, lost = {}, []
    for name, part in loaded.parts().items():
        rows = (new_labels[part.y] >= 0).nonzero().flatten()
        if fewer := len(part) - len(rows):
            lost.append(f"{fewer} {name} pictures")
        some = part.subset(rows) if fewer else part
        if len(some):
            kept[name] = replace(some, y=new_labels[some.y])
    indices = used.tolist()
    missing = [name for index, name in enumerate(loaded.classes) if new_labels[index] < 0]
    note(f"no training picture of class {quote_some(missing)}: left out{' with ' * bool(lost)}{' and '.join(lost)}")
    classes = tuple(loaded.classes[index] for index in indices)
    captions = tuple(loaded.captions[index] for index in indices) if loaded.captions else ()
    parts: dict[str, Any] = {name: kept.get(name) for name in loaded.parts()}
    return replace(loaded, **parts, classes=classes, captions=captions)


def quote_some(names: Sequence[str]) -> str:
    """List names in quotes; of many only the first five."""
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def format_shape(pictures: Pictures) -> str:
    """Format channels, height and width: 3x32x32."""
    return "x".join(str(side) for side in pictures.x.shape[1:])


def checksum(tensors: dict[str, Tensor]) -> str:
    """Compute the SHA-256 of names, shapes and content of tensors."""
    total = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        total.update(f"{name} {tuple(value.shape)} ".encode())
        total.update(value.contiguous().numpy().data)
    return total.hexdigest()
