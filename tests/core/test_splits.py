"""Names of splits, in one table."""

from __future__ import annotations

import pytest

from zoo.core import SPLIT_NAMES, split_of
from zoo.core.splits import SPLIT_WORDS, SPLITS
from zoo.registry.advice import OTHER_NAMES


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((word, split) for split, words in SPLIT_NAMES.items() for word in words),
        ("Train", "train"),
        ("TRAINING", "train"),
        ("training_set", "train"),
        ("my-Test.parquet", "test"),
        ("mnist_test-00000-of-00001.parquet", "test"),
        ("split=validation", "valid"),
        ("val2017", "valid"),
        ("partial-train", "train"),
        ("Dev set", "valid"),
        ("trainer", None),
        ("latest", None),
        ("contest_entries", None),
        ("valley", None),
        ("device", None),
        ("größetest", None),
        ("", None),
    ],
)
def test_a_word_in_a_name_says_the_split(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_the_words_of_sentences_and_of_advice_are_names_of_the_table() -> None:
    assert [split_of(word) for word in SPLIT_WORDS.values()] == list(SPLITS)
    for split in ("valid", "test"):
        assert {name for name, meant in OTHER_NAMES.items() if meant == split} >= {*SPLIT_NAMES[split]} - {split}
