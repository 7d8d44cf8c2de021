"""Types that every package shares: descriptions of data and codes, and batches."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Losses: TypeAlias = "dict[str, Tensor]"
"""Named scalars, already weighted; training minimises their sum."""


class DataInfo(NamedTuple):
    """Description of the pictures of a model: shape, classes and channel statistics.

    Args:
        shape: Channels, height, width.
        classes: Class names; a label is an index into them.
        mean: Mean of each channel over the training pictures, for values scaled to 0..1.
        std: Standard deviation of each channel over the training pictures, for values scaled to 0..1.
        captions: Other words for each class, e.g. ("three",) for the class "3"; empty if there are none.
        words: Distinct words of the training pictures' own texts; empty if they have none.
        examples: Some of these texts, e.g. to sample for; empty if they have none.

    Example:
        >>> from zoo import DataInfo
        >>> info = DataInfo((1, 8, 8), ("cat", "dog"), mean=(0.4,), std=(0.2,))
        >>> info.classes[1]
        'dog'
    """

    shape: tuple[int, int, int]
    """Channels, height, width."""
    classes: tuple[str, ...]
    """Class names; a label is an index into them. Empty if pictures have texts only."""
    mean: tuple[float, ...]
    """Mean of each channel over the training pictures, for values scaled to 0..1."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training pictures, for values scaled to 0..1."""
    captions: tuple[tuple[str, ...], ...] = ()
    """Other words for each class, e.g. ("three",) for the class "3"; empty if there are none."""
    words: tuple[str, ...] = ()
    """Distinct words of the training pictures' own texts, such as captions; empty if they have none."""
    examples: tuple[str, ...] = ()
    """Some of these texts, e.g. to sample for; empty if they have none."""

    @classmethod
    def of(
        cls,
        shape: tuple[int, int, int],
        classes: tuple[str, ...],
        captions: tuple[tuple[str, ...], ...] = (),
        words: tuple[str, ...] = (),
        examples: tuple[str, ...] = (),
    ) -> DataInfo:
        """Create a DataInfo with a typical mean and standard deviation.

        It suffices to build a model and count its parameters before any picture is read.

        Args:
            shape: Channels, height, width.
            classes: Class names.
            captions: Other words for each class; empty if there are none.
            words: Distinct words of the pictures' own texts; empty if they have none.
            examples: Some of these texts.

        Returns:
            Info with mean 0.5 and standard deviation 0.25 in each channel.

        Example:
            >>> from zoo import DataInfo
            >>> DataInfo.of((3, 32, 32), ("cat", "dog")).mean
            (0.5, 0.5, 0.5)
        """
        return cls(shape, classes, (0.5,) * shape[0], (0.25,) * shape[0], captions, words, examples)

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """All words for each class: its name, then its captions.

        Example:
            >>> from zoo import DataInfo
            >>> DataInfo.of((1, 8, 8), ("cat", "dog"), (("kitten",), ())).names
            (('cat', 'kitten'), ('dog',))
        """
        captions = self.captions or ((),) * len(self.classes)
        return tuple((name, *more) for name, more in zip(self.classes, captions, strict=True))

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> DataInfo:
        """Read info back from the JSON of a run folder.

        Args:
            value: The JSON object; its keys are the fields of DataInfo.

        Returns:
            The info that was saved.

        Raises:
            ValueError: If the numbers of channels or of classes contradict each other, or a number is not finite.
            KeyError: If a field is missing.

        Example:
            >>> from zoo import DataInfo
            >>> info = DataInfo.of((1, 8, 8), ("cat", "dog"))
            >>> DataInfo.load(info._asdict() | {"classes": ["cat", "dog"]}) == info
            True
        """
        channels, height, width = (int(size) for size in value["shape"])
        mean, std = (tuple(float(part) for part in value[name]) for name in ("mean", "std"))
        if not (
            len(mean) == len(std) == channels and all(map(isfinite, mean + std)) and isinstance(value["classes"], list)
        ):
            raise ValueError("mean and std need a number for each channel, classes a list of names")
        captions = tuple(tuple(str(name) for name in names) for names in value.get("captions", ()))
        if len(captions) not in (0, len(value["classes"])):
            raise ValueError("captions need a list for each class")
        lists = ("classes", "words", "examples")
        classes, words, examples = (tuple(str(name) for name in value.get(key, ())) for key in lists)
        return cls((channels, height, width), classes, mean, std, captions, words, examples)

    def dump(self) -> dict[str, Any]:
        """Convert the info to the JSON that `load` reads, without empty words and examples.

        Example:
            >>> from zoo import DataInfo
            >>> "words" in DataInfo.of((1, 8, 8), ("cat", "dog")).dump()
            False
        """
        return {
            name: list(value) for name, value in self._asdict().items() if value or name not in ("words", "examples")
        }


class CodeInfo(NamedTuple):
    """Description of the codes that a prior models.

    Args:
        shape: Shape of one code: (D,) for a vector, (C, H, W) for a feature map.
        words: Number of code words; None for continuous codes.
        condition: Size of the condition vector, which selects what the prior samples; 0 for an unconditional prior.
        tokens: Number of vectors of equal size of which the condition consists.

    Example:
        >>> from zoo import CodeInfo
        >>> CodeInfo((4, 8, 8)).size
        256
    """

    shape: tuple[int, ...]
    """Shape of one code: (D,) for a vector, (C, H, W) for a feature map."""
    words: int | None = None
    """Number of code words; None for continuous codes."""
    condition: int = 0
    """Size of the condition vector, which selects what the prior samples; 0 for an unconditional prior."""
    tokens: int = 1
    """Number of vectors of equal size of which the condition consists: above 1, those of a text's words."""

    @property
    def size(self) -> int:
        """Number of elements in one code: the product of its shape."""
        return prod(self.shape)


class Batch(NamedTuple):
    """A batch of pictures with their labels.

    Args:
        x: Pictures, float32 (N, C, H, W), values 0..1.
        y: Labels, int64 (N,), indices into the class names.
        done: Fraction of the stage's training that is completed, 0 to 1.
        targets: Shares of the classes where labels are mixed, float32 (N, K), each row with the sum 1; otherwise None.
        texts: Index of each picture's text in the table of texts, int64 (N,), -1 for none; None if the data has none.

    Example:
        >>> import torch
        >>> from zoo.core import Batch
        >>> batch = Batch(torch.rand(2, 1, 8, 8), torch.tensor([0, 1]))
        >>> len(batch.y), batch.done
        (2, 1.0)
    """

    x: Tensor
    """float32 (N, C, H, W), values 0..1."""
    y: Tensor
    """int64 (N,), indices into the class names; of mixed labels the one with the largest share."""
    done: float = 1.0
    """Fraction of the stage's training that is completed, 0 to 1."""
    targets: Tensor | None = None
    """Shares of the classes where labels are mixed, float32 (N, K), each row with the sum 1; otherwise None."""
    texts: Tensor | None = None
    """Index of each picture's text in the table of texts, int64 (N,), -1 for none; None if the data has no texts."""

    @property
    def labels(self) -> Tensor:
        """What cross-entropy takes: the shares of the classes if labels are mixed, otherwise the labels."""
        return self.y if self.targets is None else self.targets
