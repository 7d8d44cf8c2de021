"""The result of calling a classifier on pictures: the probability of every class for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from torch import Tensor

MAX_ROWS = 100
"""Pictures that a notebook shows."""
SHOWN = 3
"""Pictures that the repr names, and classes of each picture that a notebook shows."""


class ClassProbability(NamedTuple):
    """A class and its probability."""

    label: str
    probability: float


@dataclass(frozen=True, repr=False, eq=False)
class PicturePrediction:
    """Class probabilities of one picture.

    Attributes:
        path: Path of the picture, or its number among those given if it has none.
        classes: Class names.
        probabilities: Probability of each class, float32 (K,).
    """

    path: str
    classes: tuple[str, ...]
    probabilities: Tensor

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.top(1)[0].label

    @property
    def probability(self) -> float:
        """The probability of the most probable class, 0 to 1."""
        return self.top(1)[0].probability

    def top(self, n: int = 5) -> list[ClassProbability]:
        """Return the `n` most probable classes, or all if there are fewer, most probable first."""
        best = self.probabilities.topk(min(max(n, 0), len(self.classes)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [ClassProbability(self.classes[index], value) for index, value in pairs]

    def __repr__(self) -> str:
        """Describe the prediction in one line."""
        return f"<PicturePrediction {self.path}: {', '.join(f'{name} {p:.4f}' for name, p in self.top(SHOWN))}>"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; `probabilities` has the order of the classes."""
        about = {"path": self.path, "label": self.label, "probability": self.probability}
        return about | {"probabilities": self.probabilities.tolist()}

    def _repr_html_(self) -> str:
        """Show the most probable classes in a notebook."""
        return Predictions((self.path,), self.classes, self.probabilities[None])._repr_html_()


@dataclass(frozen=True, repr=False, eq=False)
class Predictions(Sequence[PicturePrediction]):
    """Class probabilities of pictures, in their order; an item is the prediction of one picture.

    Attributes:
        paths: Path of each picture, or its number among those given if it has none.
        classes: Class names.
        probabilities: Probability of each class for each picture, float32 (N, K) on the CPU.
        averaging: What the probabilities are averaged over; empty if they are not averaged.
    """

    paths: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Tensor
    averaging: str = ""

    @property
    def labels(self) -> list[str]:
        """The most probable class of each picture."""
        return [self.classes[index] for index in self.probabilities.argmax(1).tolist()] if len(self) else []

    def top(self, n: int = 5) -> list[list[ClassProbability]]:
        """Return the `n` most probable classes of each picture, most probable first."""
        best = self.probabilities.topk(min(max(n, 0), len(self.classes)), 1)
        return [
            [ClassProbability(self.classes[index], value) for index, value in zip(*row, strict=True)]
            for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> PicturePrediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: int | slice) -> PicturePrediction | Predictions:
        """Return the prediction of one picture, or those of several."""
        if isinstance(index, slice):
            return Predictions(self.paths[index], self.classes, self.probabilities[index], self.averaging)
        return PicturePrediction(self.paths[index], self.classes, self.probabilities[index])

    def __repr__(self) -> str:
        """Describe the predictions in one line."""
        some = ", ".join(f"{each.label} {each.probability:.4f}" for each in self[:SHOWN])
        more = ", ..." if len(self) > SHOWN else ""
        count = f"{len(self):,} picture{'s' * (len(self) != 1)}"
        return f"<Predictions of {count}{': ' * bool(some)}{some}{more}>"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object with the class names and the prediction of each picture."""
        about = {"averaging": self.averaging} if self.averaging else {}
        return about | {"classes": list(self.classes), "predictions": [each.to_dict() for each in self]}

    def _repr_html_(self) -> str:
        """Show the most probable classes of each picture in a notebook."""
        from zoo.display.html import muted_line, table, titled_block

        count = min(SHOWN, len(self.classes))
        rows = [[each.path, *(f"{name} {p:.4f}" for name, p in each.top(count))] for each in self[:MAX_ROWS]]
        heads = ["picture", "class", *(f"{rank}." for rank in range(2, count + 1))][: count + 1]
        more = len(self) - len(rows)
        return titled_block(repr(self)[1:-1], table(heads, rows), *([muted_line(f"and {more:,} more")] if more else []))
