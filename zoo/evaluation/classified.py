"""What a classifier predicts for each picture of a split, beside the true classes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zoo.data.dataset import Pictures
from zoo.registry.kinds import Outputs
from zoo.runs.predictions import Predictions


@dataclass(frozen=True, repr=False, eq=False)
class ClassifiedSplit:
    """The pictures of a split with their labels and what a classifier makes of them.

    Attributes:
        split: Name of the split.
        classes: Class names.
        pictures: The pictures with their labels, and their names if they have some.
        scores: Log-probability of each class for each picture, float32 (N, K) on the CPU.
        averaging: What the probabilities are averaged over; empty if they are not averaged.
    """

    split: str
    classes: tuple[str, ...]
    pictures: Pictures
    scores: Tensor
    averaging: str = ""

    @classmethod
    def of(cls, split: str, found: Outputs) -> ClassifiedSplit | None:
        """Take what belongs to a classifier from the outputs of a model; None for any other model."""
        if found.scores is None:
            return None
        averaging = getattr(found.model, "averaging", "")
        return cls(split, tuple(found.info.classes), found.pictures, found.scores, averaging)

    @property
    def labels(self) -> Tensor:
        """The true class of each picture, int64 (N,)."""
        return self.pictures.y.cpu()

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each picture, int64 (N,)."""
        return self.scores.argmax(1)

    @property
    def losses(self) -> Tensor:
        """The cross-entropy of each picture in nats, float32 (N,)."""
        return -self.scores.gather(1, self.labels[:, None])[:, 0]

    @property
    def predictions(self) -> Predictions:
        """The probabilities of all classes; a picture without a name is called as `zoo predict --data` calls it."""
        names = self.pictures.names or tuple(f"{self.split}:{row}" for row in range(len(self.scores)))
        return Predictions(names, self.classes, self.scores.exp(), self.averaging)

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        """Describe the predictions in one line."""
        wrong = int((self.predicted != self.labels).sum())
        return f"<ClassifiedSplit of {len(self):,} {self.split} pictures, {wrong:,} of them wrong>"
