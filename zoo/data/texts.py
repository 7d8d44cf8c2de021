"""The texts of single pictures: each distinct text once, and the indices of those of each picture."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from zoo.core.errors import DataError
from zoo.data.draws import epoch_generator

PictureText: TypeAlias = str | Sequence[str] | None
"""What a data kind gives for one picture: a text, several, or none."""
NO_TEXT = -1
"""The index of a picture without a text, and the padding of one with fewer texts than others."""
EXAMPLES = 12
"""Texts that a run keeps as examples."""
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of pictures, such as captions: a picture may have none, one or several.

    Args:
        table: Each distinct text once.
        index: For each picture the indices of its texts in the table, int64 (N, T), padded with -1 at the end.

    Example:
        >>> from zoo.data import Texts
        >>> texts = Texts.of(["a cat", ["a dog", "a pet"], None, "a cat"])
        >>> len(texts.table), texts.index.tolist()
        (3, [[0, -1], [1, 2], [-1, -1], [0, -1]])
    """

    table: tuple[str, ...]
    """Each distinct text once."""
    index: Tensor
    """int64 (N, T), padded with -1 at the end."""

    @classmethod
    def of(cls, texts: Iterable[PictureText]) -> Texts:
        """Create the texts of N pictures.

        Args:
            texts: For each picture a text, several texts, or None. White space around a text is dropped, and so are
                empty ones.

        Returns:
            The texts by table and index.

        Raises:
            DataError: If a text is no string.

        Example:
            >>> from zoo.data import Texts
            >>> Texts.of([" a cat ", ""]).rows()
            [('a cat',), ()]
        """
        rows = [clean_texts(each) for each in texts]
        table = {text: index for index, text in enumerate(dict.fromkeys(text for row in rows for text in row))}
        longest = max(1, *map(len, rows)) if rows else 1
        padded = [[*(table[text] for text in row), *[NO_TEXT] * (longest - len(row))] for row in rows]
        return cls(tuple(table), torch.tensor(padded, dtype=torch.int64).view(len(rows), longest))

    @property
    def counts(self) -> Tensor:
        """The number of texts of each picture, int64 (N,)."""
        return (self.index != NO_TEXT).sum(1)

    @property
    def first(self) -> Tensor:
        """The index of the first text of each picture, int64 (N,); -1 for none."""
        return self.index[:, 0]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self) -> list[tuple[str, ...]]:
        """List the texts of each picture.

        Returns:
            A tuple of texts for each picture, empty if it has none.
        """
        return [tuple(self.table[index] for index in row if index != NO_TEXT) for row in self.index.tolist()]

    def subset(self, rows: Tensor) -> Texts:
        """Select the texts of some pictures.

        Args:
            rows: Indices of pictures, int64 (M,).

        Returns:
            The texts of M pictures, with the same table.
        """
        return replace(self, index=self.index.index_select(0, rows))

    def of_epoch(self, seed: int, epoch: int) -> Tensor:
        """Choose one text of each picture uniformly, by seed, epoch and row only.

        Args:
            seed: Seed of the training.
            epoch: Number of the epoch.

        Returns:
            Indices int64 (N,) on the CPU; -1 for a picture without a text.
        """
        index = self.index.cpu()
        if index.shape[1] == 1:
            return index[:, 0]
        draw = torch.rand(len(index), generator=epoch_generator(seed, "texts", epoch), dtype=torch.float64)
        column = (draw * (index != NO_TEXT).sum(1)).long()
        return index.gather(1, column[:, None])[:, 0]

    def content(self) -> Tensor:
        """Encode the texts of each picture as bytes, uint8 (B,), whatever the table's order."""
        return to_bytes(self.rows())

    def to(self, device: torch.device | str) -> Texts:
        """Copy the indices to a device.

        Args:
            device: A torch device, such as "cuda".

        Returns:
            The texts with indices on that device.
        """
        return replace(self, index=self.index.to(device))


def clean_texts(texts: PictureText) -> tuple[str, ...]:
    """Return the texts of one picture without white space around them and without empty ones."""
    several = tuple(texts) if isinstance(texts, Iterable) and not isinstance(texts, str) else (texts,)
    if odd := [each for each in several if not isinstance(each, str | None)]:
        raise DataError(f"a text of a picture is of the type {type(odd[0]).__name__}", "give strings, or None")
    return tuple(text for each in several if each and (text := each.strip()))


def to_bytes(value: object) -> Tensor:
    """Encode a JSON value as bytes, uint8 (B,)."""
    return torch.frombuffer(
        bytearray(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")), dtype=torch.uint8
    )


def from_bytes(content: Tensor) -> tuple[str, ...]:
    """Decode the list of texts that `to_bytes` encoded."""
    return tuple(str(text) for text in json.loads(content.numpy().tobytes().decode(errors="surrogatepass")))


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words: runs of letters and digits.

    Args:
        text: Any text.

    Returns:
        Its words in their order.

    Example:
        >>> from zoo.data import words_of
        >>> words_of("A red circle, above 2 squares")
        ['a', 'red', 'circle', 'above', '2', 'squares']
    """
    return WORD.findall(text.casefold())


def vocabulary(texts: Texts | None) -> tuple[str, ...]:
    """List the distinct words of the texts of pictures.

    Args:
        texts: The texts; None if there are none.

    Returns:
        Lower-case words, sorted.

    Example:
        >>> from zoo.data import Texts, vocabulary
        >>> vocabulary(Texts.of(["a cat", "a dog"]))
        ('a', 'cat', 'dog')
    """
    return () if texts is None else tuple(sorted({word for text in used_texts(texts) for word in words_of(text)}))


def some_texts(texts: Texts | None) -> tuple[str, ...]:
    """Choose at most 12 different texts of pictures, spread evenly over these.

    Args:
        texts: The texts; None if there are none.

    Returns:
        The chosen texts.

    Example:
        >>> from zoo.data import Texts, some_texts
        >>> some_texts(Texts.of(["a cat", "a dog", "a cat"]))
        ('a cat', 'a dog')
    """
    used = list(dict.fromkeys(row[0] for row in texts.rows() if row)) if texts is not None else []
    return tuple(used[:: max(1, math.ceil(len(used) / EXAMPLES))])


def share_table(parts: Sequence[Texts | None]) -> list[Texts | None]:
    """Give the texts of several splits one table, sorted and without unused texts; None stays None."""
    used = {text for part in parts if part is not None for text in used_texts(part)}
    table = {text: index for index, text in enumerate(sorted(used))}
    return [None if part is None else with_table(part, table) for part in parts]


def used_texts(texts: Texts) -> list[str]:
    """List the distinct texts that pictures have."""
    return [texts.table[index] for index in set(texts.index.flatten().tolist()) if index != NO_TEXT]


def with_table(texts: Texts, table: dict[str, int]) -> Texts:
    """Return the same texts by another table, which has all that are used."""
    new = torch.tensor([*(table.get(text, NO_TEXT) for text in texts.table), NO_TEXT])
    return Texts(tuple(table), new[texts.index])


def join_texts(parts: Sequence[Texts | None], counts: Sequence[int]) -> Texts | None:
    """Join the texts of sets of pictures, of which some may have none; `counts` are the numbers of pictures."""
    if all(part is None for part in parts):
        return None
    rows = [part.rows() if part is not None else [()] * count for part, count in zip(parts, counts, strict=True)]
    return Texts.of(row for each in rows for row in each)
