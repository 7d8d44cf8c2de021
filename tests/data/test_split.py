"""Folds of a cross-validation: every picture is held out once, each class in equal parts, and no test picture ever."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from zoo.core.sections import DataSpec
from zoo.data.dataset import Loaded, Pictures, Splits
from zoo.data.split import split

COUNTS = (31, 20, 9)


def loaded() -> Loaded:
    """Pictures whose first two pixels are a number of their own, in three classes of different sizes."""
    y = np.repeat(np.arange(3), COUNTS)
    x = np.zeros((len(y), 2, 2, 1), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 1, 0] = np.arange(len(y)), y
    return Loaded(Pictures.of(x, y), classes=("a", "b", "c"))


def numbers(pictures: Pictures) -> set[int]:
    """The numbers of pictures."""
    return set(pictures.x[:, 0, 0, 0].tolist())


def folds(count: int, **options: float) -> list[Splits]:
    """The splits of each fold."""
    return [
        split(loaded(), DataSpec.model_validate({"folds": count, "fold": k, **options})) for k in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [2, 5])
def test_each_picture_is_held_out_once_and_never_a_test_picture(count: int) -> None:
    plain, found = split(loaded(), DataSpec()), folds(count)
    pool = numbers(plain.train) | numbers(plain.valid)
    held = [numbers(each.test) for each in found]
    assert sum(map(len, held)) == len(pool)
    assert set().union(*held) == pool
    for each, part in zip(found, held, strict=True):
        train, valid = numbers(each.train), numbers(each.valid)
        assert not train & valid
        assert train | valid == pool - part
        assert valid
    assert max(map(len, held)) - min(map(len, held)) <= 1
    for label in range(3):
        counts = [int((each.test.y == label).sum()) for each in found]
        assert max(counts) - min(counts) <= 1, "stratified"


def test_folds_follow_the_seed_of_the_split_and_keep_the_share_for_validation() -> None:
    first, again, other = (folds(3, split_seed=seed)[0] for seed in (0, 0, 1))
    assert first.test.fingerprint() == again.test.fingerprint()
    assert numbers(first.test) != numbers(other.test)
    assert len(folds(3, valid=0)[1].valid) == 0


def test_the_only_picture_of_a_class_stays_in_training() -> None:
    rare = loaded()
    y = np.append(rare.train.y.numpy(), 3)
    x = np.concatenate([rare.train.nhwc.numpy(), np.full((1, 2, 2, 1), 99, np.uint8)])
    data = Loaded(Pictures.of(x, y), classes=("a", "b", "c", "only"))
    for fold in range(1, 6):
        found = split(data, DataSpec(folds=5, fold=fold))
        assert 99 in numbers(found.train) and 99 not in numbers(found.test)


def test_without_folds_options_are_as_before() -> None:
    assert not {"folds", "fold"} & set(DataSpec().model_dump())
    assert DataSpec(folds=4, fold=2).model_dump()["fold"] == 2


@pytest.mark.parametrize("options", [{"folds": 3}, {"fold": 1}, {"folds": 3, "fold": 4}])
def test_a_fold_is_one_of_the_folds(options: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=r"one of the parts 1 to data.folds"):
        DataSpec.model_validate(options)
