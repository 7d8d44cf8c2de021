"""Splits, their figures, and the cache of decoded pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import one_line, write

from zoo.core.errors import DataError
from zoo.core.sections import DataSpec
from zoo.data.cache import load_cached
from zoo.data.dataset import Loaded, Pictures, mean_std
from zoo.data.split import split, stratified_rows

pytestmark = pytest.mark.usefixtures("cache")


def numbered(labels: list[int], classes: int, first: int = 0) -> Loaded:
    """Pictures that each hold their own number, so that they can be told apart."""
    numbers = np.arange(first, first + len(labels))
    x = np.stack([numbers // 256, numbers % 256], -1).astype(np.uint8).reshape(-1, 1, 2, 1)
    return Loaded(Pictures.of(x, labels), tuple(map(str, range(classes))))


def numbers(pictures: Pictures) -> list[int]:
    return [int(x[0]) * 256 + int(x[1]) for x in pictures.x.flatten(1)]


def test_the_parts_of_a_split_are_disjoint_whole_and_stratified() -> None:
    labels = [0] * 500 + [1] * 300 + [2] * 7
    parts = split(numbered(labels, 3), DataSpec(valid=0.1, test=0.2))
    assert sorted(numbers(parts.train) + numbers(parts.valid) + numbers(parts.test)) == list(range(807))
    assert torch.bincount(parts.test.y).tolist() == [100, 60, 1]
    assert torch.bincount(parts.valid.y).tolist() == [50, 30, 1]
    assert torch.bincount(parts.train.y).tolist() == [350, 210, 5]
    for part in parts[:3]:
        assert [labels[number] for number in numbers(part)] == part.y.tolist()
        assert part.x.dtype == torch.uint8


def test_classes_have_names_of_their_own() -> None:
    data = replace(numbered([0, 1, 2] * 10, 3), classes=("crane", "owl", "crane"))
    with pytest.raises(DataError, match="several classes are called 'crane'; give each class its own name"):
        split(data, DataSpec())


def test_a_split_is_the_same_everywhere_and_another_for_another_seed() -> None:
    labels = np.arange(40) % 3
    test, valid, train = stratified_rows(labels, [0.2, 0.1], 7)
    assert test.tolist() == [6, 24, 39, 37, 31, 4, 32, 23, 35]
    assert valid.tolist() == [21, 10, 20]
    assert train.tolist()[:9] == [33, 11, 13, 3, 26, 25, 12, 14, 22]
    assert stratified_rows(labels, [0.2, 0.1], 8)[0].tolist() != test.tolist()


def test_splits_of_the_set_itself_are_kept() -> None:
    some, own = numbered([0, 1] * 50, 2), numbered([0, 1] * 5, 2, first=1000)
    parts = split(Loaded(some.train, some.classes, test=own.train), DataSpec())
    assert torch.equal(parts.test.x, own.train.x)
    assert torch.equal(parts.test.y, own.train.y)
    assert len(parts.valid) == 10
    parts = split(Loaded(some.train, some.classes, test=own.train, valid=own.train), DataSpec())
    assert sorted(numbers(parts.train)) == list(range(100))


def test_a_share_of_zero_gives_an_empty_part() -> None:
    parts = split(numbered([0, 1] * 10, 2), DataSpec(valid=0, test=0))
    assert [len(part) for part in parts[:3]] == [20, 0, 0]
    assert parts.valid.x.shape == (0, 1, 1, 2)


def test_a_limit_takes_a_balanced_prefix_and_leaves_the_test_alone() -> None:
    data = numbered([0] * 600 + [1] * 200, 2)
    full, some, few = (split(data, DataSpec(limit=limit)) for limit in (None, 100, 20))
    assert torch.bincount(some.train.y).tolist() == [75, 25]
    assert set(numbers(few.train)) < set(numbers(some.train)) < set(numbers(full.train))
    assert numbers(few.test) == numbers(full.test)


def test_a_long_tailed_mix_is_as_rare_in_every_split_and_keeps_every_class() -> None:
    data = numbered([0] * 500 + [1] * 500 + [2] * 500, 3)
    whole, mix, again = (split(data, DataSpec(imbalance=value)) for value in (None, 25, 25))
    total = sum(torch.bincount(part.y, minlength=3) for part in mix[:3])
    assert torch.as_tensor(total).tolist() == [500, 100, 20]
    assert torch.bincount(mix.test.y).tolist() == [100, 20, 4]
    assert numbers(mix.train) == numbers(again.train)
    assert set(numbers(mix.train)) < set(numbers(Pictures(torch.cat([p.x for p in whole[:3]]), whole.train.y)))
    own = Loaded(data.train, data.classes, test=data.train)
    assert torch.bincount(split(own, DataSpec(imbalance=1e6)).test.y).tolist() == [500, 1, 1]
    same = split(data, DataSpec(imbalance=1))
    assert numbers(same.train) == numbers(whole.train)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="less than 1"):
        DataSpec(valid=0.5, test=0.5)


def test_mean_and_deviation_are_those_of_the_training_pictures() -> None:
    x = np.random.default_rng(0).integers(0, 200, (5000, 3, 5, 3), np.uint8)
    mean, std = mean_std(Pictures.of(x, np.zeros(5000)))
    scaled = x.astype(np.float64) / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-12)
    data = numbered([0, 1] * 50, 2)
    parts = split(data, DataSpec())
    assert parts.info.mean == mean_std(parts.train)[0] != mean_std(data.train)[0]
    assert parts.info.shape == (1, 1, 2)


def other_shape() -> Loaded:
    some = numbered([0, 1] * 9, 2)
    return Loaded(some.train, some.classes, test=Pictures.of(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1]))


def floats() -> Loaded:
    some = numbered([0, 1] * 9, 2)
    return Loaded(Pictures(some.train.x.float(), some.train.y), some.classes)


UNUSABLE: list[tuple[Callable[[], Loaded], str]] = [
    (lambda: numbered([], 2), "no train pictures"),
    (lambda: numbered([0, 1, 5] * 20, 2), "label 5, but there are 2"),
    (lambda: numbered([0, 1, -1] * 20, 2), "label -1"),
    (other_shape, "1x1x2, test pictures 3x8x8"),
    (floats, "must be uint8"),
]


@pytest.mark.parametrize(("make", "message"), UNUSABLE)
def test_a_set_that_cannot_be_used_is_one_line(make: Callable[[], Loaded], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        split(make(), DataSpec())
    one_line(error)


def test_classes_without_training_pictures_are_left_out_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    train, test = numbered([0, 2] * 20, 4), numbered([2, 1, 3, 0, 3], 4, first=100)
    data = Loaded(train.train, ("a", "b", "c", "d"), test=test.train, captions=(("x",), ("y",), ("z",), ()))
    parts = split(data, DataSpec())
    assert parts.info.classes == ("a", "c")
    assert parts.info.captions == (("x",), ("z",))
    assert (numbers(parts.test), parts.test.y.tolist()) == ([100, 103], [1, 0])
    assert all((part.y == torch.tensor(numbers(part)) % 2).all() for part in (parts.train, parts.valid))
    assert caplog.messages == ["no training picture of class 'b', 'd': left out with 3 test pictures"]


def test_a_split_without_pictures_of_known_classes_is_taken_from_the_training_pictures() -> None:
    data = numbered([0] * 20, 2)
    parts = split(Loaded(data.train, data.classes, test=numbered([1, 1], 2).train), DataSpec())
    assert parts.info.classes == ("0",)
    assert [len(part) for part in parts[:3]] == [14, 2, 4]


def test_one_class_is_split_like_several() -> None:
    parts = split(numbered([0] * 20, 1), DataSpec(imbalance=5))
    assert [len(part) for part in parts[:3]] == [14, 2, 4]


def test_a_limit_that_loses_a_class_says_so() -> None:
    with pytest.raises(DataError, match=r"increase data\.limit"):
        split(numbered([0, 1, 2] * 20, 3), DataSpec(limit=2))


# the cache


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Loaded:
        self.calls += 1
        data = numbered([0, 1] * 500, 2)
        own = numbered([1, 0], 2, first=3000).train
        return Loaded(data.train, ("cat", "Ünïcode \udc80"), test=own, skipped=(("a.png", "empty"),))


def assert_same(first: Loaded, second: Loaded) -> None:
    assert first.classes == second.classes
    assert first.skipped == second.skipped
    assert first.parts().keys() == second.parts().keys()
    for one, two in zip(first.parts().values(), second.parts().values(), strict=True):
        assert torch.equal(one.x, two.x)
        assert torch.equal(one.y, two.y)


def test_decoded_pictures_are_made_once_and_come_back_equal(cache: Path) -> None:
    make, key = Maker(), {"kind": "some", "size": 8}
    for _ in range(3):
        assert_same(load_cached(key, make), make.__class__()())
    assert make.calls == 1
    load_cached({"size": 8, "kind": "some"}, make)
    assert make.calls == 1
    load_cached(key | {"size": 9}, make)
    assert make.calls == 2
    assert len(list(cache.iterdir())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_kept_set_is_memory_mapped(cache: Path) -> None:
    loaded = load_cached({"kind": "some"}, Maker())
    (file,) = cache.iterdir()
    assert file.name in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert len(loaded.train) == 1000


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def other_header(content: bytes) -> bytes:
    return content.replace(b'"zoo"', b'"ooz"')


@pytest.mark.parametrize(
    "damage", [truncate, flip_a_bit, other_header, lambda _: b"", lambda _: b"not safetensors" * 99]
)
def test_a_damaged_file_is_made_anew(cache: Path, damage: Callable[[bytes], bytes]) -> None:
    make = Maker()
    load_cached({"kind": "some"}, make)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    # another inode: the mapped one must not change under the first set
    damaged = write(cache / "damaged", damage(whole))
    assert damaged.read_bytes() != whole
    damaged.replace(file)
    assert_same(load_cached({"kind": "some"}, make), Maker()())
    assert make.calls == 2
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(write(tmp_path / "file", b"")))
    assert_same(load_cached({"kind": "some"}, Maker()), Maker()())
    assert "cannot cache" in caplog.text
