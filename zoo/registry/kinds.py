"""Kinds: what a plugin gives. A kind is a name, a spec class and a constructor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from zoo.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.core.types import CodeInfo, DataInfo
    from zoo.data.dataset import Loaded, Pictures
    from zoo.models.base import Model
    from zoo.models.gallery import Gallery
    from zoo.models.judge import Judge
    from zoo.models.latent import LatentModel
    from zoo.models.prior import Prior
    from zoo.models.text import TextEncoder

S = TypeVar("S", bound=Spec)


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
class Outputs:
    """What a model says of a split; metric plugins compute from it."""

    model: Model
    info: DataInfo
    pictures: Pictures
    means: dict[str, float]
    """The model's own metrics, means over all pictures."""
    scores: Tensor | None
    """Log-probabilities (N, K), float32 on the CPU, of a classifier; None of other models."""
    gallery: Gallery | None = None
    """Of a generator: what it makes, as a judge sees it; None of other models, or where nobody judges."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,) on the CPU."""
        return self.pictures.y.cpu()


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
