"""Kinds: what a plugin gives. A kind is a name, a spec class and a constructor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from zoo.spec import Spec

if TYPE_CHECKING:
    from zoo.data import Loaded
    from zoo.evaluation import Outputs
    from zoo.judge import Judge
    from zoo.latent import LatentModel
    from zoo.model import Model
    from zoo.prior import Prior
    from zoo.text import TextEncoder

S = TypeVar("S", bound=Spec)


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


@dataclass(frozen=True)
class ModelKind(Generic[S]):
    """A model by name; `build` imports torch, the module that yields the kind does not."""

    family: ClassVar[str] = "model"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], Model | LatentModel]
    summary: str = ""
    prior: str = ""
    """Of a latent model: the kind of prior that an entry has which names none; empty of any other model."""


@dataclass(frozen=True)
class PriorKind(Generic[S]):
    """A prior over a latent model's codes by name; `build` imports torch, as a model's does."""

    family: ClassVar[str] = "prior"
    name: str
    spec: type[S]
    build: Callable[[S, CodeInfo], Prior]
    summary: str = ""
    words: bool = False
    """Whether it is over code words rather than continuous codes."""
    text: str = ""
    """Of one that draws codes for a text: the kind of text encoder that an entry has which names none."""


@dataclass(frozen=True)
class TextKind(Generic[S]):
    """A text encoder by name: what a prior is told of the words of a prompt; `build` imports torch."""

    family: ClassVar[str] = "text"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], TextEncoder]
    summary: str = ""


@dataclass(frozen=True)
class DataKind(Generic[S]):
    """Pictures by name; `info` looks without decoding everything where that is possible."""

    family: ClassVar[str] = "data"
    name: str
    spec: type[S]
    load: Callable[[S], Loaded]
    info: Callable[[S], DataInfo]
    summary: str = ""


@dataclass(frozen=True)
class MetricKind(Generic[S]):
    """Figures computed from a model's outputs over a split; None where they do not apply to the model."""

    family: ClassVar[str] = "metric"
    name: str
    spec: type[S]
    compute: Callable[[S, Outputs], Mapping[str, Any] | None]
    summary: str = ""


@dataclass(frozen=True)
class JudgeKind(Generic[S]):
    """A judge of pictures by name, that was not trained on them; `build` imports torch."""

    family: ClassVar[str] = "judge"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], Judge]
    summary: str = ""


Kind = ModelKind[Any] | PriorKind[Any] | TextKind[Any] | DataKind[Any] | MetricKind[Any] | JudgeKind[Any]
FAMILIES: dict[str, type[Any]] = {
    kind.family: kind for kind in (ModelKind, PriorKind, TextKind, DataKind, MetricKind, JudgeKind)
}
