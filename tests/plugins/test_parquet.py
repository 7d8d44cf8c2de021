"""Parquet files as the Hugging Face hub serves them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from samples import BLUE, RED, encoded, one_line, write
from zoo_data import cifar10, parquet
from zoo_data.parquet import ParquetSpec

from zoo.core.errors import DataError
from zoo.data.split import split

SHARED = Path(__file__).parents[3] / "shared" / "data" / "cifar10"


pytestmark = pytest.mark.usefixtures("cache")


HF = {"img": {"_type": "Image"}, "label": {"names": ["red", "blue"], "_type": "ClassLabel"}}


def table(images: Any, labels: Any, names: tuple[str, str] = ("img", "label"), features: Any = None) -> pa.Table:
    made = pa.table(dict(zip(names, (images, labels), strict=True)))
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return made.replace_schema_metadata(metadata if features else None)


def struct_column(images: Sequence[bytes | None]) -> pa.Array:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([image and {"bytes": image, "path": "x.png"} for image in images], kind)


def save(path: Path, made: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path, row_group_size=7)
    return path


def two(count: int) -> tuple[list[bytes], list[int]]:
    return [encoded(RED), encoded(BLUE)] * count, [0, 1] * count


def test_a_hub_download_is_read_with_its_splits_and_names(tmp_path: Path) -> None:
    images, labels = two(10)
    for name, count in (("train-00000-of-00002", 10), ("train-00001-of-00002", 5), ("test-00000-of-00001", 4)):
        made = table(struct_column(images[: 2 * count]), labels[: 2 * count], features=HF)
        save(tmp_path / "hub" / "data" / f"{name}.parquet", made)
    save(tmp_path / "hub" / "data" / "extra-00000-of-00001.parquet", table(struct_column(images), labels, features=HF))
    save(tmp_path / "hub" / ".cache" / "train.parquet", table(struct_column(images), labels, features=HF))
    spec = ParquetSpec(path=tmp_path / "hub")
    loaded = parquet.load(spec)
    assert loaded.classes == ("red", "blue")
    assert (len(loaded.train), loaded.test and len(loaded.test), loaded.valid) == (30, 8, None)
    assert loaded.train.x.shape == (30, 3, 4, 6)
    for picture, label in zip(loaded.train.x, loaded.train.y.tolist(), strict=True):
        assert picture[:, 0, 0].tolist() == list((RED, BLUE)[label])
    assert parquet.info(spec)[:2] == ((3, 4, 6), ("red", "blue"))


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (["train.parquet", "validation.parquet"], {"train", "valid"}),
        (["plain_text/train/0000.parquet", "plain_text/test/0000.parquet"], {"train", "test"}),
        (["Train-1.parquet", "val-1.parquet", "test-1.parquet"], {"train", "valid", "test"}),
        (["train_sets/train-0.parquet", "train_sets/test-0.parquet"], {"train", "test"}),
        (["part-0.parquet", "trainer.parquet"], {"train"}),
        (["mnist_TRAIN.parquet", "mnist_test.parquet"], {"train", "test"}),
        (["training.parquet", "dev.parquet", "testing.parquet"], {"train", "valid", "test"}),
        (["all/partial-train/0.parquet", "all/partial-test/0.parquet"], {"train", "test"}),
        (["split=train/0.parquet", "split=eval/0.parquet"], {"train", "valid"}),
        (["train/a-0.parquet", "train/b/0.parquet", "test.PARQUET"], {"train", "test"}),
    ],
)
def test_file_and_folder_names_say_the_split(tmp_path: Path, names: list[str], own: set[str]) -> None:
    images, labels = two(4)
    for name in names:
        save(tmp_path / "set" / name, table(images, labels))
    loaded = parquet.load(ParquetSpec(path=tmp_path / "set"))
    assert set(loaded.parts()) == own


def test_files_may_be_given_one_by_one(tmp_path: Path) -> None:
    images, labels = two(4)
    train = save(tmp_path / "train.parquet", table(images, labels))
    test = save(tmp_path / "test.parquet", table(images[:4], labels[:4]))
    assert set(parquet.load(ParquetSpec(path=(train, test))).parts()) == {"train", "test"}
    alone = parquet.load(ParquetSpec(path=test))
    assert set(alone.parts()) == {"train"}
    assert len(alone.train) == 4


COLUMNS: list[tuple[Any, tuple[str, ...]]] = [
    (pa.array(["red", "blue"] * 6), ("blue", "red")),
    (pa.array(["red", "blue"] * 6).dictionary_encode(), ("blue", "red")),
    (pa.array([1, 10] * 6, pa.int8()), ("1", "10")),
    (pa.array(["red", "blue"] * 6, pa.large_string()), ("blue", "red")),
]


@pytest.mark.parametrize(("labels", "classes"), COLUMNS)
@pytest.mark.parametrize("as_struct", [True, False])
def test_columns_are_found_by_type_without_metadata(tmp_path: Path, labels: Any, classes: Any, as_struct: bool) -> None:
    images = two(6)[0]
    column = struct_column(list(images)) if as_struct else pa.array(images, pa.large_binary())
    path = save(tmp_path / "set.parquet", table(column, labels, ("photo", "kind")))
    loaded = parquet.load(ParquetSpec(path=path))
    assert loaded.classes == classes
    reds = loaded.train.x[:, 0, 0, 0] > 200
    assert torch.equal(loaded.train.y, torch.where(reds, classes.index(str(labels[0])), classes.index(str(labels[1]))))


def test_columns_that_are_not_clear_are_asked_for(tmp_path: Path) -> None:
    images, labels = two(6)
    columns = {"a": images, "b": images, "fine": labels, "coarse": labels[::-1], "size": [1.5] * 12}
    path = save(tmp_path / "set.parquet", pa.table(columns))
    for options, message in (
        ({}, r"several columns could be the image: a \(binary\), b \(binary\); choose one, e.g. data.image=a"),
        ({"image": "a"}, r"be the label: fine \(int64\), coarse \(int64\); choose one, e.g. data.label=fine"),
        ({"image": "A", "label": "fine"}, "no column 'A'"),
        ({"image": "a", "label": "size"}, "column 'size' has type double and values such as 1.5, which are no labels"),
    ):
        with pytest.raises(DataError, match=message) as error:
            parquet.load(ParquetSpec(path=path, **options))
        one_line(error)
    assert parquet.load(ParquetSpec(path=path, image="b", label="coarse")).train.y.tolist() == labels[::-1]


def test_pictures_of_several_sizes_need_the_option(tmp_path: Path) -> None:
    images, labels = two(6)
    path = save(tmp_path / "set.parquet", table([*images[:-1], encoded(BLUE, (9, 9))], labels))
    with pytest.raises(DataError, match=r"set.parquet row 11 has 9x9 pixels, but the first has 6x4; set") as error:
        parquet.load(ParquetSpec(path=path))
    one_line(error)
    assert parquet.load(ParquetSpec(path=path, size=5)).train.x.shape == (12, 3, 5, 5)


def test_bad_rows_are_listed_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.decode.CHUNK_BYTES", 1)  # several chunks
    images, labels = two(10)
    column = struct_column([b"no picture", None, *images[2:]])
    path = save(tmp_path / "set.parquet", table(column, [*labels[:-1], None], features=HF))
    loaded = parquet.load(ParquetSpec(path=path, max_bad=0.2))
    assert loaded.train.y.tolist() == labels[2:-1]
    assert [name for name, _ in loaded.skipped] == [f"set.parquet row {row}" for row in (0, 1)]
    with pytest.raises(DataError, match=r"more than 1 of 19 pictures cannot be read \(set.parquet row 0: not a pic"):
        parquet.load(ParquetSpec(path=path))


def test_parquet_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    images, labels = two(6)
    save(tmp_path / "a" / "train.parquet", table(images, labels))
    save(tmp_path / "a" / "test.parquet", table(images, [7] * 12))
    save(tmp_path / "b" / "train.parquet", table(images, labels))
    save(tmp_path / "b" / "test.parquet", table(images, labels, features=HF | {"img": None}))
    save(tmp_path / "c" / "test.parquet", table(images, labels))
    whole = save(tmp_path / "d.parquet", table(images, labels)).read_bytes()
    write(tmp_path / "e" / "cut.parquet", whole[:-40])
    write(tmp_path / "f" / "hole.parquet", whole[:50] + b"\xff" * 60 + whole[110:])
    save(tmp_path / "g.parquet", pa.table({"x": [1.0], "y": [2.0]}))
    save(tmp_path / "h.parquet", table([b"?"] * 12, labels))
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("a", "test.parquet has label 7, which is not among the classes"),
        ("b", "test.parquet has other columns or classes than .*train.parquet"),
        ("c", "no file in .* holds training pictures; put `train` into the name"),
        ("e", "cannot read .*cut.parquet"),
        ("f", "cannot read .*hole.parquet"),
        ("g.parquet", r"no column of pictures among x \(double\), y \(double\); is this"),
        ("h.parquet", r"none of the first \d+ pictures can be read"),
        ("empty", "no .parquet files"),
        ("i.parquet", "does not exist"),
    ):
        with pytest.raises(DataError, match=message) as error:
            parquet.load(ParquetSpec(path=tmp_path / name))
        one_line(error)


def test_a_file_that_names_no_split_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("train.parquet", "extra.parquet"):
        save(tmp_path / name, table(*two(4)))
    assert len(parquet.load(ParquetSpec(path=tmp_path)).train) == 8
    assert caplog.messages == [
        f"extra.parquet in {tmp_path}: left out, for the name says no split as those of others do"
    ]


@pytest.mark.parametrize(
    ("names", "said", "advised"),
    [
        (["fine/train-0.parquet", "coarse/train-0.parquet"], "coarse, fine", "coarse"),
        (["en/train/0.parquet", "en/test/0.parquet", "fr/train/0.parquet"], "en, fr", "en"),
        (["fine_train.parquet", "coarse_train.parquet"], "coarse, fine", "coarse_train.parquet"),
        (["a/b/train.parquet", "train.parquet"], "., a/b", "train.parquet"),
    ],
)
def test_two_subsets_with_the_same_split_are_refused(tmp_path: Path, names: list[str], said: str, advised: str) -> None:
    for name in names:
        save(tmp_path / name, table(*two(4)))
    with pytest.raises(DataError, match="has 2 subsets that each have a train split") as error:
        parquet.load(ParquetSpec(path=tmp_path))
    assert one_line(error).endswith(f"split: {said}; give one of them, e.g. data.path={tmp_path / advised}")
    assert len(parquet.load(ParquetSpec(path=tmp_path / advised)).train) == 8
    assert len(parquet.load(ParquetSpec(path=tuple(tmp_path / name for name in names))).train) >= 16


NO_LABELS = {
    "minus one": pa.array([-1] * 6),
    "null": pa.array([None] * 6, pa.int64()),
    "nothing but null": pa.array([None] * 6),
    "not a number": pa.array([float("nan")] * 6),
    "no column": None,
}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("labels", NO_LABELS.values(), ids=NO_LABELS)
def test_a_split_without_labels_is_left_out(
    tmp_path: Path, labels: Any, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    features = HF if named else None
    save(tmp_path / "train.parquet", table(*two(15), features=features))
    made = table(two(3)[0], labels, features=features) if labels is not None else pa.table({"img": two(3)[0]})
    save(tmp_path / "test.parquet", made)
    for _ in range(2):  # also from the cache
        caplog.clear()
        loaded = parquet.load(ParquetSpec(path=tmp_path))
        assert set(loaded.parts()) == {"train"}
        assert loaded.classes == (("red", "blue") if named else ("0", "1"))
        assert caplog.messages == ["none of the 6 test pictures has a label; the test split is left out"]


def test_rows_without_labels_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images, labels = two(6)
    save(tmp_path / "train.parquet", table(images, [-1, None, *labels[2:]], features=HF))
    loaded = parquet.load(ParquetSpec(path=tmp_path, max_bad=0))
    assert (loaded.train.y.tolist(), loaded.skipped) == (labels[2:], ())
    assert caplog.messages == ["2 of 12 train pictures have no label; they are left out"]


@pytest.mark.parametrize(("values", "classes"), [([-1, 0, -1, 1], ("0", "1")), ([-1, 1, -1, 1], ("-1", "1"))])
def test_minus_one_before_zero_is_no_label(tmp_path: Path, values: list[int], classes: tuple[str, ...]) -> None:
    images, _ = two(6)
    save(tmp_path / "train.parquet", table(images, values * 3))
    loaded = parquet.load(ParquetSpec(path=tmp_path))
    assert loaded.classes == classes
    assert len(loaded.train) == (6 if "0" in classes else 12)


def test_class_names_without_pictures_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images, labels = two(6)
    features = {"label": {"names": ["none", "red", "rare", "blue"], "_type": "ClassLabel"}}
    save(tmp_path / "train.parquet", table(images, [1 + 2 * label for label in labels], features=features))
    save(tmp_path / "test.parquet", table(images[:4], [3, 2, 1, 2], features=features))
    loaded = parquet.load(ParquetSpec(path=tmp_path))
    assert loaded.classes == parquet.info(ParquetSpec(path=tmp_path)).classes == ("red", "blue")
    assert loaded.train.y.tolist() == labels
    assert loaded.test is not None
    assert loaded.test.y.tolist() == [1, 0]
    assert loaded.test.x[:, 0, 0, 0].tolist() == [RED[0], RED[0]]
    assert caplog.messages[:2] == [
        "2 test pictures are left out, for there are none to train on of class 'rare'",
        "no training picture of class 'none', 'rare': left out",
    ]


def test_labels_that_only_the_test_split_has_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images, _ = two(6)
    save(tmp_path / "train.parquet", table(images, ["red", "blue"] * 6))
    save(tmp_path / "test.parquet", table(images[:4], ["green", "red", "", "green"]))
    loaded = parquet.load(ParquetSpec(path=tmp_path))
    assert loaded.classes == ("blue", "red")
    assert loaded.test is not None
    assert loaded.test.y.tolist() == [1]
    assert caplog.messages == [
        "1 of 4 test pictures have no label; they are left out",
        "2 test pictures are left out, for there are none to train on of class 'green'",
    ]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([False, True] * 6), ("false", "true")),
        (pa.array([3.0, 12.0] * 6), ("3", "12")),
        (pa.array([3, 12] * 6, pa.decimal128(4, 1)), ("3", "12")),
        (pa.array([-1, 1] * 6), ("-1", "1")),
    ],
)
def test_labels_may_be_of_any_type_with_whole_values(tmp_path: Path, labels: Any, classes: tuple[str, ...]) -> None:
    path = save(tmp_path / "set.parquet", table(two(6)[0], labels))
    loaded = parquet.load(ParquetSpec(path=path))
    assert loaded.classes == classes
    assert loaded.train.y.tolist() == [0, 1] * 6


@pytest.mark.parametrize("labels", [[False, True] * 6, [0.0, 1.0] * 6, ["red", "blue"] * 6])
def test_declared_names_fit_labels_of_any_type(tmp_path: Path, labels: list[Any]) -> None:
    loaded = parquet.load(ParquetSpec(path=save(tmp_path / "set.parquet", table(two(6)[0], labels, features=HF))))
    assert (loaded.classes, loaded.train.y.tolist()) == (("red", "blue"), [0, 1] * 6)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "no column of labels among img (binary); all pictures are taken as one class"),
        ({"label": [0.5] * 12}, "column 'label' has type double and values such as 0.5, which are no labels; all"),
        ({"label": [[1]] * 12}, "no column of labels among img (binary), label (list<"),
        ({"label": [None] * 12}, "no training picture has a label in column 'label'; all pictures are"),
        ({"title": [f"picture {row}" for row in range(12)]}, "column 'title' is different in every picture; all"),
    ],
)
def test_without_labels_all_pictures_are_one_class(
    tmp_path: Path, columns: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "set.parquet", pa.table({"img": two(6)[0], **columns}))
    loaded = parquet.load(ParquetSpec(path=path))
    assert (loaded.classes, loaded.train.y.tolist()) == (("pictures",), [0] * 12)
    assert parquet.info(ParquetSpec(path=path)).classes == ("pictures",)
    assert caplog.messages[0].startswith(said)


def not_utf8(count: int) -> pa.Array:
    """Text that no program should have written."""
    offsets = np.arange(count + 1, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(b"\xff" * count)])


def test_columns_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    images, labels = two(6)
    twice = pa.Table.from_arrays([pa.array(images), pa.array(labels), pa.array(labels)], ["img", "label", "label"])
    pictures_twice = pa.Table.from_arrays([pa.array(images), pa.array(images), pa.array(labels)], ["a", "a", "label"])
    text = pa.table({"img": images, "label": not_utf8(12)})
    unnamed = pa.table({"img": images, "label": labels})
    for name, made, options, message in (
        ("a", twice, {}, r"there are 2 columns 'label' in img \(binary\), label \(int64\), label \(int64\); rename"),
        ("b", pictures_twice, {"image": "a"}, r"there are 2 columns 'a' in"),
        ("c", text, {}, r"c.parquet has text that is not UTF-8"),
        ("d", unnamed, {"label": "lable"}, r"no column 'lable' among img \(binary\), label \(int64\); did you mean"),
        ("e", unnamed, {"image": "label"}, r"column 'label' has type int64; it cannot be the image column; known: img"),
    ):
        path = save(tmp_path / f"{name}.parquet", made)
        for read in (parquet.load, parquet.info):
            with pytest.raises(DataError, match=message) as error:
                read(ParquetSpec(path=path, **options))
            one_line(error)
    other = save(tmp_path / "f" / "train.parquet", unnamed)
    save(tmp_path / "f" / "test.parquet", twice)
    with pytest.raises(DataError, match="there are 2 columns 'label'"):
        parquet.load(ParquetSpec(path=other.parent))


def cifar_files() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no CIFAR-10 Parquet files in {SHARED}")
    return SHARED


def test_real_pictures_have_their_names() -> None:
    info = parquet.info(ParquetSpec(path=cifar_files()))
    assert info[:2] == ((3, 32, 32), cifar10.CLASSES)


@pytest.mark.slow
def test_real_pictures_are_all_decoded() -> None:
    spec = ParquetSpec(path=cifar_files())
    loaded = parquet.load(spec)
    assert loaded.skipped == ()
    parts = split(loaded, spec)
    assert [len(part) for part in parts[:3]] == [45_000, 5_000, 10_000]
    for part in parts[:3]:
        assert (torch.bincount(part.y) == len(part) // 10).all()
    np.testing.assert_allclose(parts.info.mean, (0.4914, 0.4822, 0.4465), atol=2e-3)
    np.testing.assert_allclose(parts.info.std, (0.2470, 0.2435, 0.2616), atol=3e-3)
    again = parquet.load(spec)
    assert torch.equal(again.train.x, loaded.train.x)
    assert again.test is not None
    assert loaded.test is not None
    assert torch.equal(again.test.x, loaded.test.x)


@pytest.mark.parametrize("name", ["text", "caption"])
def test_captions_of_parquet_files_are_read(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A text, several or none for each picture; without labels there are no classes, and nothing is noted."""
    captions: list[Any] = [["red", "a red picture"], None, [], ["blue one"]] * 3
    path = save(tmp_path / "set.parquet", pa.table({"img": two(6)[0], name: captions}))
    loaded = parquet.load(ParquetSpec(path=path))
    assert (loaded.classes, loaded.train.y.tolist()) == ((), [0] * 12)
    assert loaded.train.texts is not None
    assert loaded.train.texts.rows() == [tuple(each or ()) for each in captions]
    assert parquet.info(ParquetSpec(path=path)).words == ("a", "blue", "one", "picture", "red")
    assert not caplog.messages
    assert parquet.load(ParquetSpec(path=path)).train.fingerprint() == loaded.train.fingerprint()


def test_one_class_stays_where_the_captions_are_empty(tmp_path: Path) -> None:
    """A column without a single text gives no captions."""
    spec = ParquetSpec(path=save(tmp_path / "set.parquet", pa.table({"img": two(6)[0], "text": [None, " "] * 6})))
    loaded = parquet.load(spec)
    assert loaded.classes == parquet.info(spec).classes == ("pictures",)
    assert split(loaded, spec).info.words == ()


def test_captions_stay_with_their_pictures_where_others_are_left_out(tmp_path: Path) -> None:
    """Unreadable pictures and rows without a label take their captions with them; labels stay labels."""
    images, labels = two(10)
    texts, some = [f"picture {row}" for row in range(20)], [None if row == 5 else y for row, y in enumerate(labels)]
    images[3] = b"no picture"
    made = pa.table({"img": images, "label": pa.array(some), "text": texts})
    loaded = parquet.load(ParquetSpec(path=save(tmp_path / "set.parquet", made), max_bad=0.5))
    assert loaded.classes == ("0", "1")
    assert loaded.train.texts is not None
    assert loaded.train.texts.rows() == [(text,) for row, text in enumerate(texts) if row not in (3, 5)]


def test_a_text_column_is_labels_if_the_option_says_so(tmp_path: Path) -> None:
    """`data.label=text` names it."""
    path = save(tmp_path / "set.parquet", pa.table({"img": two(6)[0], "text": ["red", "blue"] * 6}))
    loaded = parquet.load(ParquetSpec(path=path, label="text"))
    assert (loaded.classes, loaded.train.texts) == (("blue", "red"), None)
    assert parquet.load(ParquetSpec(path=path)).classes == ()
