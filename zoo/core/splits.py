"""Names of the splits of a data set."""

from __future__ import annotations

import re
from collections.abc import Mapping

from zoo.core.errors import ZooError, did_you_mean

SPLIT_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""The splits, each with all names that a data set may use for it; the first is the one that the zoo uses."""
SPLITS = tuple(SPLIT_NAMES)
SPLIT_WORDS: Mapping[str, str] = {"train": "training", "valid": "validation", "test": "test"}
"""What stands before `pictures` in a sentence, also one of those names."""
SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}
SPLIT_WORD = re.compile(rf"(?<![^\W\d_])({'|'.join(SPLIT_OF)})(?![^\W\d_])", re.IGNORECASE)
"""The name of a split between other characters than letters."""


def check_split(name: str) -> None:
    """Raise ZooError if there is no split of that name."""
    if name not in SPLITS:
        raise ZooError(f"no split {name!r}", did_you_mean(name, SPLITS))


def split_of(name: str) -> str | None:
    """Find the split in the name of a file or folder.

    Args:
        name: A name without the folders above it, such as "mnist_train-00000.parquet" or "Validation".

    Returns:
        The split of the first name of `SPLIT_NAMES` in it, in any case, that is not part of a longer word; None if
        there is none.

    Example:
        >>> from zoo.core import split_of
        >>> split_of("Training"), split_of("mnist-val2.parquet"), split_of("trainers")
        ('train', 'valid', None)
    """
    found = SPLIT_WORD.search(name)
    return SPLIT_OF[found[1].lower()] if found else None
