"""What data, codes and batches look like: the types that every package shares."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Losses: TypeAlias = "dict[str, Tensor]"
"""Named, already weighted scalars, whose sum the trainer minimises."""


class DataInfo(NamedTuple):
    """What a model must know of the pictures it will see."""

    shape: tuple[int, int, int]
    """Channels, height, width."""
    classes: tuple[str, ...]
    """Class names; a label is an index into them."""
    mean: tuple[float, ...]
    """Mean of each channel over the training pictures, for values scaled to 0..1."""
    std: tuple[float, ...]
    """Standard deviation of each channel, likewise."""
    captions: tuple[tuple[str, ...], ...] = ()
    """Other words for each class, as ("three",) for the class "3"; empty where there are none."""

    @classmethod
    def of(
        cls, shape: tuple[int, int, int], classes: tuple[str, ...], captions: tuple[tuple[str, ...], ...] = ()
    ) -> DataInfo:
        """Info with a typical mean and deviation, for counting parameters before any picture is read."""
        return cls(shape, classes, (0.5,) * shape[0], (0.25,) * shape[0], captions)

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """What each class is called: its name, and its captions."""
        captions = self.captions or ((),) * len(self.classes)
        return tuple((name, *more) for name, more in zip(self.classes, captions, strict=True))

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> DataInfo:
        """Back from the JSON of a run folder."""
        channels, height, width = (int(size) for size in value["shape"])
        mean, std = (tuple(float(part) for part in value[name]) for name in ("mean", "std"))
        if not (
            len(mean) == len(std) == channels and all(map(isfinite, mean + std)) and isinstance(value["classes"], list)
        ):
            raise ValueError("mean and std need a number for each channel, classes a list of names")
        captions = tuple(tuple(str(name) for name in names) for names in value.get("captions", ()))
        if len(captions) not in (0, len(value["classes"])):
            raise ValueError("captions need a list for each class")
        return cls((channels, height, width), tuple(str(name) for name in value["classes"]), mean, std, captions)


class CodeInfo(NamedTuple):
    """What a prior must know of the codes that it is over."""

    shape: tuple[int, ...]
    """Of one code: (D,) of a vector, (C, H, W) of a map."""
    words: int | None = None
    """How many code words there are, or None where codes are continuous."""
    condition: int = 0
    """Numbers in what a prior is told of the picture to draw; 0 where it is told nothing."""

    @property
    def size(self) -> int:
        """Numbers in one code."""
        return prod(self.shape)


class Batch(NamedTuple):
    """Pictures and their labels."""

    x: Tensor
    """float32 (N, C, H, W), values 0..1."""
    y: Tensor
    """int64 (N,), indices into the class names."""
    done: float = 1.0
    """Share of the stage's training that is over, 0 to 1."""
