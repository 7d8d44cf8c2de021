"""Kinds, which plugins provide: a name, a spec class for the options, and a build function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from zoo.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.core.types import CodeInfo, DataInfo
    from zoo.data.augment import Augment, Mix
    from zoo.data.dataset import Loaded, Pictures
    from zoo.models.base import Model
    from zoo.models.gallery import Gallery
    from zoo.models.judge import Judge
    from zoo.models.latent import LatentModel
    from zoo.models.prior import Prior
    from zoo.models.text import TextEncoder
    from zoo.registry.events import EventCallback

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class ModelKind(Generic[S]):
    """A kind of model, by name: its options, and the function that builds it.

    The module that yields the kind must not import torch; `build` does.

    Args:
        name: The name in `model.kind` of an entry.
        spec: The class of its options.
        build: Builds the model from the options and the DataInfo of the pictures.
        summary: One line for `zoo list` and `zoo plugins`.
        prior: Default prior kind of entries with this latent model; empty for any other model.

    Example:
        >>> from zoo import DataInfo, ModelKind, Spec
        >>> class LinearSpec(Spec):
        ...     "Options of a linear classifier."
        >>> def build(spec: LinearSpec, info: DataInfo):
        ...     from zoo.testing.toys import LinearClassifier
        ...     return LinearClassifier(info)
        >>> kind = ModelKind("linear", LinearSpec, build, "One linear layer.")
        >>> kind.build(kind.spec(), DataInfo.of((1, 8, 8), ("cat", "dog"))).layer.out_features
        2
    """

    family: ClassVar[str] = "model"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], Model | LatentModel]
    summary: str = ""
    prior: str = ""
    """Default prior kind of entries with this latent model; empty for any other model."""


@dataclass(frozen=True)
class PriorKind(Generic[S]):
    """A kind of prior over the codes of a latent model, by name.

    The module that yields the kind must not import torch; `build` does.

    Args:
        name: The name in `prior.kind` of an entry.
        spec: The class of its options.
        build: Builds the prior from the options and the CodeInfo of the codes.
        summary: One line for `zoo plugins`.
        words: Whether it models code words rather than continuous codes.
        text: Default text encoder kind of entries with this prior; empty for a prior that takes no text.

    Example:
        >>> from zoo import CodeInfo, PriorKind, Spec
        >>> class DiceSpec(Spec):
        ...     "Options of a prior that draws code words independently."
        >>> def build(spec: DiceSpec, code: CodeInfo):
        ...     from zoo.testing.toys import IndependentWords
        ...     return IndependentWords(code)
        >>> kind = PriorKind("dice", DiceSpec, build, "Independent code words.", words=True)
        >>> tuple(kind.build(kind.spec(), CodeInfo((2, 2), words=7)).sample(3).shape)
        (3, 2, 2)
    """

    family: ClassVar[str] = "prior"
    name: str
    spec: type[S]
    build: Callable[[S, CodeInfo], Prior]
    summary: str = ""
    words: bool = False
    """Whether it models code words rather than continuous codes."""
    text: str = ""
    """Default text encoder kind of entries with this prior; empty for a prior that takes no text."""


@dataclass(frozen=True)
class TextKind(Generic[S]):
    """A kind of text encoder, by name, which turns prompts into conditions.

    The module that yields the kind must not import torch; `build` does.

    Args:
        name: The name in `text.kind` of an entry.
        spec: The class of its options.
        build: Builds the text encoder from the options and the DataInfo of the pictures.
        summary: One line for `zoo plugins`.

    Example:
        >>> from zoo import DataInfo, Spec, TextKind
        >>> class OneHotSpec(Spec):
        ...     "Options of an encoder that knows only the class names."
        >>> def build(spec: OneHotSpec, info: DataInfo):
        ...     from zoo.models import ClassNames
        ...     return ClassNames(info)
        >>> kind = TextKind("one-hot", OneHotSpec, build, "Class names as one-hot vectors.")
        >>> kind.build(kind.spec(), DataInfo.of((1, 8, 8), ("cat", "dog"))).encode(["dog"])
        tensor([[0., 1.]])
    """

    family: ClassVar[str] = "text"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], TextEncoder]
    summary: str = ""


@dataclass(frozen=True)
class DataKind(Generic[S]):
    """A kind of data, by name: its options, and the function that loads the pictures.

    Args:
        name: The name in `data.kind` of an entry.
        spec: The class of its options, a subclass of DataSpec.
        load: Loads the pictures that the options describe.
        info: Returns shape and classes of the pictures, without decoding all of them if possible.
        summary: One line for `zoo plugins`.
        judge: Judge kind that evaluates generators of these pictures by default; empty for the entry `judge`.

    Example:
        >>> from zoo import DataInfo, DataKind, DataSpec
        >>> def info(spec: DataSpec) -> DataInfo:
        ...     return DataInfo.of((1, 4, 4), ("dark", "light"))
        >>> def load(spec: DataSpec):
        ...     import torch
        ...     from zoo.data import Loaded, Pictures
        ...     levels = torch.tensor([30, 220], dtype=torch.uint8).repeat(10)
        ...     return Loaded(Pictures.of(levels.view(-1, 1, 1).expand(-1, 4, 4), [0, 1] * 10), ("dark", "light"))
        >>> kind = DataKind("shades", DataSpec, load, info, "Dark and light squares.")
        >>> len(kind.load(kind.spec()).train)
        20
    """

    family: ClassVar[str] = "data"
    name: str
    spec: type[S]
    load: Callable[[S], Loaded]
    info: Callable[[S], DataInfo]
    summary: str = ""
    judge: str = ""
    """Judge kind that evaluates generators of these pictures by default; empty for the entry `judge`."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model on a split, from which metric kinds compute their figures.

    Args:
        model: The trained model, in eval mode.
        info: Shape and classes of the pictures that the model was built for.
        pictures: The pictures of the split.
        means: The model's own metrics, averaged over all pictures.
        scores: Log-probabilities (N, K), float32 on the CPU, of a classifier; None for any other model.
        gallery: Features of real and generated pictures, for a generator with a judge; otherwise None.

    Example:
        >>> from zoo.registry import Outputs
        >>> from zoo.testing.toys import LinearClassifier, info_of, pictures_of
        >>> info = info_of()
        >>> model, pictures = LinearClassifier(info), pictures_of(info)
        >>> scores = model(pictures.floats).detach().log_softmax(1)
        >>> len(Outputs(model, info, pictures, {}, scores).labels) == len(scores)
        True
    """

    model: Model
    info: DataInfo
    pictures: Pictures
    means: dict[str, float]
    """The model's own metrics, averaged over all pictures."""
    scores: Tensor | None
    """Log-probabilities (N, K), float32 on the CPU, of a classifier; None for any other model."""
    gallery: Gallery | None = None
    """Features of real and generated pictures, for a generator with a judge; otherwise None."""

    @property
    def labels(self) -> Tensor:
        """The labels of the pictures, int64 (N,) on the CPU."""
        return self.pictures.y.cpu()


@dataclass(frozen=True)
class MetricKind(Generic[S]):
    """A kind of metric, by name: figures computed from a model's outputs.

    Args:
        name: The name of the metric.
        spec: The class of its options; `zoo evaluate` uses their defaults.
        compute: Returns figures by name, or None if they do not apply to the model.
        summary: One line for `zoo plugins`.
        data: The data kind to whose pictures alone the figures apply; empty for any.

    Example:
        >>> from types import SimpleNamespace
        >>> import torch
        >>> from zoo import MetricKind, Spec
        >>> class ErrorSpec(Spec):
        ...     "Options of the error rate."
        >>> def compute(spec, outputs):
        ...     if outputs.scores is None:
        ...         return None
        ...     return {"error": (outputs.scores.argmax(1) != outputs.labels).float().mean().item()}
        >>> kind = MetricKind("error", ErrorSpec, compute, "Share of wrong predictions.")
        >>> outputs = SimpleNamespace(scores=torch.eye(2), labels=torch.tensor([0, 0]))
        >>> kind.compute(kind.spec(), outputs)
        {'error': 0.5}
    """

    family: ClassVar[str] = "metric"
    name: str
    spec: type[S]
    compute: Callable[[S, Outputs], Mapping[str, Any] | None]
    summary: str = ""
    data: str = ""
    """The data kind to whose pictures alone the figures apply; empty for any."""


@dataclass(frozen=True)
class JudgeKind(Generic[S]):
    """A kind of judge, by name: a network that compares generated with real pictures.

    It must not have been trained on the pictures it judges. The module that yields the kind must not import torch;
    `build` does.

    Args:
        name: The name that `zoo evaluate --judge` takes.
        spec: The class of its options.
        build: Builds the judge from the options and the DataInfo of the pictures.
        summary: One line for `zoo plugins`.

    Example:
        >>> from zoo import DataInfo, JudgeKind, Spec
        >>> class PixelsSpec(Spec):
        ...     "Options of a judge that takes pixels as features."
        >>> def build(spec: PixelsSpec, info: DataInfo):
        ...     from zoo.models import Judge, JudgeOutput
        ...     class Pixels(Judge):
        ...         def forward(self, x):
        ...             return JudgeOutput(x.flatten(1), None)
        ...     return Pixels()
        >>> kind = JudgeKind("pixels", PixelsSpec, build, "Pixels as features.")
        >>> judge = kind.build(kind.spec(), DataInfo.of((1, 8, 8), ("cat", "dog")))
    """

    family: ClassVar[str] = "judge"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], Judge]
    summary: str = ""


@dataclass(frozen=True)
class AugmentKind(Generic[S]):
    """A kind of augmentation, by name: its options, and the function that builds it.

    The module that yields the kind must not import torch; `build` does.

    Args:
        name: The name in the list `train.augment.then` of an entry.
        spec: The class of its options, a subclass of TransformSpec.
        build: Builds the augmentation from the options and the DataInfo of the pictures.
        summary: One line for `zoo plugins`.
        mixes: Whether it mixes the labels of pictures too, from which only classifiers learn.
        argument: The option that `name:VALUE` sets in the list; empty if there is none.
        alternate: The option that, where it is true, makes the turns of a picture alternate over the epochs.

    Example:
        >>> from zoo import AugmentKind, DataInfo, TransformSpec
        >>> def build(spec: TransformSpec, info: DataInfo):
        ...     from zoo.data import Augment
        ...     class Invert(Augment):
        ...         def __call__(self, x, u):
        ...             return 1 - x
        ...     return Invert()
        >>> kind = AugmentKind("invert", TransformSpec, build, "Negatives.")
        >>> kind.build(kind.spec(p=0.5), DataInfo.of((1, 8, 8), ("cat", "dog"))).draws
        0
    """

    family: ClassVar[str] = "augment"
    name: str
    spec: type[S]
    build: Callable[[S, DataInfo], Augment | Mix]
    summary: str = ""
    mixes: bool = False
    """Whether it mixes the labels of pictures too, from which only classifiers learn."""
    argument: str = ""
    """The option that `name:VALUE` sets in the list; empty if there is none."""
    alternate: str = ""
    """The option that, where it is true, makes the turns of a picture alternate over the epochs."""


@dataclass(frozen=True)
class CallbackKind(Generic[S]):
    """A kind of callback, which receives the events of trainings, studies and evaluations.

    The module that yields the kind must not import a large library; `build` does.

    Args:
        name: The name that `--track` takes.
        spec: The class of its options.
        build: Builds the callback from the options.
        summary: One line for `zoo plugins`.

    Example:
        >>> from zoo import CallbackKind, Spec
        >>> class BellSpec(Spec):
        ...     "Options of a bell."
        ...     times: int = 1
        ...     "How often it rings."
        >>> def build(spec: BellSpec):
        ...     from zoo.registry import EventCallback, TrainingEnded
        ...     class Bell(EventCallback):
        ...         def event(self, event):
        ...             if isinstance(event, TrainingEnded):
        ...                 print("ding " * spec.times)
        ...     return Bell()
        >>> kind = CallbackKind("bell", BellSpec, build, "Ring when a training ends.")
        >>> kind.build(kind.spec(times=2)).close()
    """

    family: ClassVar[str] = "callback"
    name: str
    spec: type[S]
    build: Callable[[S], EventCallback]
    summary: str = ""


Kind = (
    ModelKind[Any]
    | PriorKind[Any]
    | TextKind[Any]
    | DataKind[Any]
    | MetricKind[Any]
    | JudgeKind[Any]
    | AugmentKind[Any]
    | CallbackKind[Any]
)
FAMILIES: dict[str, type[Any]] = {
    kind.family: kind
    for kind in (ModelKind, PriorKind, TextKind, DataKind, MetricKind, JudgeKind, AugmentKind, CallbackKind)
}
