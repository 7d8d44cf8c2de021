"""Text encoders, which turn texts or labels into conditions of a prior."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.types import DataInfo

MAX_LISTED_WORDS = 20
"""Largest number of words that an error lists."""


class TextEncoder(nn.Module):
    """Base class of text encoders, which turn texts into conditions of a prior.

    Conditions are vectors of `size` numbers that may be added and weighted; a vector of zeros stands for no text.

    Example:
        >>> import torch
        >>> from zoo.models import TextEncoder
        >>> class Lengths(TextEncoder):
        ...     size = 1
        ...     def encode(self, texts):
        ...         return torch.tensor([[float(len(text))] for text in texts])
        ...     def labels(self, y):
        ...         return self.encode([("cat", "horse")[label] for label in y.tolist()])
        >>> Lengths().labels(torch.tensor([1, 0]))
        tensor([[5.],
                [3.]])
    """

    size: int
    """Number of elements of a condition."""
    tokens = 1
    """Number of vectors of equal size of which a condition consists; above 1, one for each word of a text, followed by
    zeros, and a prior may attend to them."""
    takes_captions = True
    """Whether it encodes captions of single pictures, where the data has them, rather than classes."""
    given_texts: tuple[str, ...] = ()
    """The captions that `set_texts` received."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Encode texts as conditions.

        Args:
            texts: N texts.

        Returns:
            Conditions (N, size).

        Raises:
            ZooError: If a text has an unknown word; the message lists the known ones.
        """
        raise NotImplementedError

    def labels(self, y: Tensor) -> Tensor:
        """Encode classes as conditions; in training perhaps by one of several texts of each class.

        Args:
            y: Labels int64 (N,).

        Returns:
            Conditions (N, size).
        """
        raise NotImplementedError

    def set_texts(self, texts: Sequence[str]) -> None:
        """Receive the captions of pictures before a training or evaluation, to prepare for them.

        Args:
            texts: All different captions, to which `by_index` refers.
        """
        self.given_texts = tuple(texts)

    def by_index(self, index: Tensor) -> Tensor:
        """Encode captions by their indices among the texts that `set_texts` received.

        By default the texts are encoded anew each time.

        Args:
            index: Indices int64 (N,); -1 for no text.

        Returns:
            Conditions (N, size), zeros for no text.
        """
        rows = [row for row in index.tolist() if row >= 0]
        if not rows:
            return torch.zeros(len(index), self.size, device=index.device)
        some = self.encode([self.given_texts[row] for row in rows])
        return some.new_zeros(len(index), self.size).index_put(((index >= 0).nonzero()[:, 0],), some)


class ClassNames(TextEncoder):
    """A text encoder of class names and captions, as one-hot vectors.

    A sum of texts is exactly the sum of their class vectors.

    Args:
        info: Class names and captions.

    Example:
        >>> from zoo import DataInfo
        >>> from zoo.models import ClassNames
        >>> text = ClassNames(DataInfo.of((1, 8, 8), ("cat", "dog"), (("kitten",), ())))
        >>> text.encode(["dog", "Kitten"])
        tensor([[0., 1.],
                [1., 0.]])
    """

    device: Tensor
    takes_captions = False

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.names, self.size = info.names, len(info.classes)
        self.register_buffer("device", torch.zeros(0), persistent=False)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Encode names or captions of classes, in upper or lower case.

        Args:
            texts: N texts.

        Returns:
            One-hot vectors float32 (N, number of classes).

        Raises:
            ZooError: If a text is not the name of exactly one class.
        """
        indices = [class_index(text, self.names) for text in texts]
        return self.labels(torch.tensor(indices, device=self.device.device))

    def labels(self, y: Tensor) -> Tensor:
        """Encode classes as one-hot vectors.

        Args:
            y: Labels int64 (N,).

        Returns:
            Float32 (N, number of classes).
        """
        return nn.functional.one_hot(y, self.size).float()


def accepted_texts(encoder: TextEncoder, texts: Sequence[str]) -> list[str]:
    """List the texts that an encoder does not refuse, e.g. as too long."""

    def accepts(text: str) -> bool:
        try:
            encoder.encode([text])
        except ZooError:
            return False
        return True

    return [text for text in texts if accepts(text)]


def unknown_word_hint(word: str, words: Sequence[str]) -> str:
    """Make the hint of an error about a text encoder's unknown word.

    Args:
        word: The unknown word.
        words: The known words.

    Returns:
        The most similar known word, if there is one, and the first 20 known words.

    Example:
        >>> from zoo.models import unknown_word_hint
        >>> "did you mean 'truck'?" in unknown_word_hint("trukc", ["cat", "dog", "truck"])
        True
    """
    more = len(words) - MAX_LISTED_WORDS
    listed = ", ".join(words[:MAX_LISTED_WORDS]) + (f" and {more} more" if more > 0 else "")
    meant = did_you_mean(word, words)
    return f"{meant} Known: {listed}" if meant.startswith("did you") else f"known: {listed}"


def class_index(text: str, names: Sequence[Sequence[str]]) -> int:
    """Return the index of the class with that name, first case-sensitively.

    Raises ZooError unless there is exactly one.
    """
    for normalise in (str, str.casefold):
        matches = [index for index, each in enumerate(names) if normalise(text) in map(normalise, each)]
        if len(matches) == 1:
            return matches[0]
    raise ZooError(f"no class {text[:80]!r}", unknown_word_hint(text, [each[0] for each in names]))
