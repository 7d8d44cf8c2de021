"""Texts of single pictures: from the data kind through splits, folds, the cache and the batches of an epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.core import DataError, DataSpec
from zoo.core.types import Batch, DataInfo
from zoo.data import Loaded, Pictures, Texts, batches, load_cached
from zoo.data.describe import describe_splits
from zoo.data.loader import Loader
from zoo.data.split import split
from zoo.training.stepper import split_batch

TEXTS: list[Any] = ["a red circle", ["a blue square", "a square, blue"], None, "a red circle"]
COUNT = 40


def pictures(count: int = COUNT) -> Pictures:
    """Pictures whose grey level is their row, with a text that names it; every fourth has none, every second two."""
    x = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 4, 4)
    texts = [None if row % 4 == 3 else [f"level {row}", f"row {row}"][: 1 + row % 2] for row in range(count)]
    return Pictures.of(x, [0] * count, texts=texts)


def row_texts(part: Pictures) -> dict[int, tuple[str, ...]]:
    """The texts of pictures by their grey level."""
    assert part.texts is not None
    return dict(zip(part.x[:, 0, 0, 0].tolist(), part.texts.rows(), strict=True))


def text_rows(batch: Batch, texts: Texts) -> dict[int, str]:
    """The text of each picture of a batch, by its grey level."""
    assert batch.texts is not None
    rows = (batch.x[:, 0, 0, 0] * 255).round().int().tolist()
    return {
        row: texts.table[index] if index >= 0 else "" for row, index in zip(rows, batch.texts.tolist(), strict=True)
    }


def test_a_picture_has_one_text_several_or_none() -> None:
    """Distinct texts are kept once; white space around them and empty texts are dropped."""
    texts = Texts.of([*TEXTS, " ", [" a red circle ", ""]])
    assert texts.table == ("a red circle", "a blue square", "a square, blue")
    rows = [("a red circle",), ("a blue square", "a square, blue"), (), ("a red circle",), (), ("a red circle",)]
    assert texts.rows() == rows
    with pytest.raises(DataError, match="of the type int"):
        Texts.of(["a", 3])  # type: ignore[list-item]
    with pytest.raises(DataError, match="of the type int"):
        Texts.of([["a", 0]])  # type: ignore[list-item]


def test_splits_keep_the_texts_of_each_picture() -> None:
    """Splits, `limit` and folds keep them, with one table, and the words are those of training pictures."""
    whole = pictures()
    for more in [{}, {"limit": 10}, {"folds": 3, "fold": 2}]:
        found = split(Loaded(whole, ()), DataSpec(valid=0.2, test=0.2, **more))
        tables = set()
        for part in (found.train, found.valid, found.test):
            assert part.texts is not None
            tables.add(part.texts.table)
            assert row_texts(part).items() <= row_texts(whole).items()
        assert len(tables) == 1
        levels = {str(row) for row, own in row_texts(found.train).items() if own}
        assert levels == {word for word in found.info.words if word.isdigit()}
        assert found.info.classes == ()


def test_training_chooses_a_text_per_picture_and_epoch() -> None:
    """Both texts of a picture occur, by seed, epoch and row only; evaluation takes the first."""
    whole = pictures()
    assert whole.texts is not None
    own = row_texts(whole)
    loader, again = (Loader(whole, size, seed=3) for size in (8, 5))
    seen: dict[int, set[str]] = {row: set() for row in range(COUNT)}
    for epoch in range(8):
        found = {
            row: text for batch in loader.epoch("model", epoch) for row, text in text_rows(batch, whole.texts).items()
        }
        other = {
            row: text for batch in again.epoch("prior", epoch) for row, text in text_rows(batch, whole.texts).items()
        }
        assert found == other
        later = list(loader.epoch("model", epoch, 3))
        assert later[0].texts is not None
        assert torch.equal(later[0].texts, list(loader.epoch("model", epoch))[3].texts)  # type: ignore[arg-type]
        for row, text in found.items():
            seen[row].add(text)
    assert all(seen[row] == set(own[row] or ("",)) for row in range(COUNT))
    first = {row: text for batch in batches(whole, 16) for row, text in text_rows(batch, whole.texts).items()}
    assert first == {row: (own[row] or ("",))[0] for row in range(COUNT)}


def test_pictures_without_texts_have_none_in_their_batches() -> None:
    """Class data stays what it was."""
    plain = replace(pictures(), texts=None)
    found = [*Loader(plain, 8).epoch("model", 0), *batches(plain, 8)]
    assert all(batch.texts is None for batch in found)
    assert "words" not in split(Loaded(plain, ("a",)), DataSpec()).info.dump()


def test_parts_of_a_batch_keep_their_texts() -> None:
    """`train.accumulate` splits a batch."""
    batch = next(batches(pictures(), 9))
    parts = split_batch(batch, 2)
    assert torch.equal(torch.cat([part.texts for part in parts if part.texts is not None]), batch.texts)  # type: ignore[arg-type]


def test_the_fingerprint_depends_on_texts_and_not_on_their_table() -> None:
    """The same texts in another table are the same; another text is not."""
    one = pictures()
    assert one.texts is not None
    other = replace(one, texts=Texts.of(one.texts.rows()))
    turned = replace(
        one,
        texts=Texts(
            one.texts.table[::-1], torch.where(one.texts.index < 0, -1, len(one.texts.table) - 1 - one.texts.index)
        ),
    )
    assert one.fingerprint() == other.fingerprint() == turned.fingerprint()
    assert one.fingerprint() != replace(one, texts=None).fingerprint()
    assert one.fingerprint() != replace(one, texts=Texts.of([*one.texts.rows()[:-1], "new"])).fingerprint()


def test_the_cache_keeps_texts(cache: Path) -> None:
    """Texts come back as they were, of any language."""
    texts = ["eine Möwe", None, ["猫 🐱", 'a "b"']]
    made = Loaded(Pictures.of(torch.zeros(3, 4, 4, dtype=torch.uint8), [0] * 3, texts=texts), ())
    load_cached({"set": "texts"}, lambda: made)
    found = load_cached({"set": "texts"}, lambda: pytest.fail("not cached"))
    assert found.train.texts is not None
    assert found.train.texts.rows() == [("eine Möwe",), (), ("猫 🐱", 'a "b"')]
    assert found.train.fingerprint() == made.train.fingerprint()


def test_data_with_neither_classes_nor_texts_is_refused() -> None:
    """Nothing could condition a model, and nothing be classified."""
    none = Loaded(replace(pictures(), texts=Texts.of([None] * COUNT)), ())
    with pytest.raises(DataError, match="neither classes nor texts"):
        split(none, DataSpec())
    with pytest.raises(DataError, match="has a word"):
        split(Loaded(replace(pictures(), texts=Texts.of(["!?"] * COUNT)), ()), DataSpec())
    with pytest.raises(DataError, match=r"data\.imbalance needs classes"):
        split(Loaded(pictures(), ()), DataSpec(imbalance=2.0))


def test_wrong_counts_of_texts_are_refused() -> None:
    """Every picture needs its row."""
    with pytest.raises(DataError, match="40 train pictures, and texts of 2"):
        split(Loaded(replace(pictures(), texts=Texts.of(["a", "b"])), ()), DataSpec())


def test_the_line_of_the_data_counts_captions() -> None:
    """It says how many there are, how many differ, and how many pictures have none."""
    loaded = Loaded(pictures(), ())
    line = describe_splits("toys", split(loaded, DataSpec()), loaded)
    assert "toys: no classes; " in line
    assert "; 40 captions, 40 of them different, with " in line
    assert "10 pictures have none" in line


def test_info_with_words_is_read_back() -> None:
    """A run keeps the words of its data."""
    info = DataInfo.of((1, 4, 4), (), words=("circle", "red"))
    assert DataInfo.load(info.dump()) == info
