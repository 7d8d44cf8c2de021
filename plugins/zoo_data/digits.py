"""Digits: 1,797 handwritten digits of 8x8 pixels that come with scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core import DataInfo, DataSpec

if TYPE_CHECKING:
    from zoo.data import Loaded

CLASSES = tuple("0123456789")
CAPTIONS = tuple((name,) for name in ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


class DigitsSpec(DataSpec):
    """Options of the digits."""


def info(spec: DigitsSpec) -> DataInfo:
    """Describe the data: 8x8 grey pictures, ten classes."""
    return DataInfo.of((1, 8, 8), CLASSES, CAPTIONS)


def load(spec: DigitsSpec) -> Loaded:
    """Load all digits, with their 17 grey levels scaled to 0..255."""
    from sklearn.datasets import load_digits

    from zoo.data import Loaded, Pictures

    digits = load_digits()
    grey = (digits.images * (255 / 16)).round().astype("uint8")
    return Loaded(Pictures.of(grey, digits.target), CLASSES, captions=CAPTIONS)
