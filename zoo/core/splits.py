"""Names of the splits of a data set."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.core.errors import ZooError, did_you_mean

SPLIT_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("valid", "val", "validation"),
    "test": ("test",),
}
"""The splits, each with all names that a data set may use for it; the first is the one that the zoo uses."""
SPLITS = tuple(SPLIT_NAMES)


def check_split(name: str) -> None:
    """Raise ZooError if there is no split of that name."""
    if name not in SPLITS:
        raise ZooError(f"no split {name!r}", did_you_mean(name, SPLITS))
