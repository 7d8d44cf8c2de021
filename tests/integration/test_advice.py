"""Advice of errors: the option that a message names, typed as it stands there, removes the error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import BLUE, RED, encoded, write

import zoo
from tests.conftest import TINY
from zoo.core.errors import ZooError

OPTION = re.compile(r"\b(?:data|model|prior|text|train|tune)\.[\w.]+=[\w./-]*\w")


def folder(home: Path) -> Path:
    """Two classes of grey pictures, of which one is in colour that is not among those looked at first."""
    for name, count in (("a", 41), ("b", 40)):
        for number in range(count):
            write(home / "set" / name / f"{number:02}.png", encoded(5 * number, (8, 8), mode="L"))
    write(home / "set" / "b" / "zz.png", encoded(RED, (8, 8)))
    return home / "set"


def damaged(home: Path) -> Path:
    """Two classes, with a few files that are no pictures."""
    for name, colour in (("a", RED), ("b", BLUE)):
        for number in range(40):
            write(home / "set" / name / f"{number:02}.png", encoded(colour, (8, 8)) if number > 2 else b"?")
    return home / "set"


def sizes(home: Path) -> Path:
    """A Parquet file with pictures of two sizes."""
    images = [encoded(RED, (8, 8)), encoded(BLUE, (8, 8))] * 10
    pq.write_table(pa.table({"img": [*images, encoded(BLUE, (9, 8))], "label": [0, 1] * 10 + [1]}), home / "a.parquet")
    return home / "a.parquet"


def columns(home: Path) -> Path:
    """A Parquet file with two columns of labels and two of pictures."""
    images, labels = [encoded(RED, (8, 8)), encoded(BLUE, (8, 8))] * 10, [0, 1] * 10
    table = pa.table({"photo": images, "drawing": images, "fine": labels, "coarse": labels})
    pq.write_table(table, home / "a.parquet")
    return home / "a.parquet"


def subsets(home: Path) -> Path:
    """Two data sets in one folder."""
    images, labels = [encoded(RED, (8, 8)), encoded(BLUE, (8, 8))] * 10, [0, 1] * 10
    for name in ("fine", "coarse"):
        (home / "set" / name).mkdir(parents=True)
        pq.write_table(pa.table({"img": images, "label": labels}), home / "set" / name / "train.parquet")
    return home / "set"


@pytest.mark.parametrize(
    ("make", "words", "advised"),
    [
        (folder, [], ["data.channels=3"]),
        (damaged, [], ["data.max_bad=0.1"]),
        (sizes, [], ["data.size=32"]),
        (columns, [], ["data.image=photo", "data.label=fine"]),
        (subsets, [], ["data.path=set/coarse"]),
        (None, ["train.augment.pad=8", "train.augment.pad_mode=reflect"], ["train.augment.pad=7"]),
        (None, ["model.ratio=0.5"], ["model.convolution=separable"]),
        (None, ["model.draws=2", "model.pooling=max"], ["model.pooling=fractional"]),
    ],
)
def test_an_option_that_an_error_names_helps(
    home: Path, make: Callable[[Path], Path] | None, words: list[str], advised: list[str]
) -> None:
    tiny = [word for word in TINY if make is None or not word.startswith("data.")]
    typed = [*tiny, "train.epochs=1", *words]
    if make is not None:
        path = make(home).relative_to(home)
        typed += [f"data.kind={'folder' if make in (folder, damaged) else 'parquet'}", f"data.path={path}"]
    for advice in advised:
        with pytest.raises(ZooError) as error:
            zoo.train("cnn", *typed, device="cpu")
        assert OPTION.findall(str(error.value))[-1 if make is None else 0] == advice
        typed.append(advice)
    assert zoo.train("cnn", *typed, device="cpu").epochs == 1


def test_a_text_encoder_where_no_text_is_taken_is_told_of_a_prior_only_where_there_is_one() -> None:
    with pytest.raises(ZooError, match=r"the prior 'vamp' takes no text; leave out .* or set prior\.kind=flow"):
        zoo.show("vae", ["text.kind=words"], measure=False)
    assert zoo.show("vae", ["text.kind=words", "prior.kind=flow"], measure=False).kind == "vae"
    with pytest.raises(ZooError, match=r"has no prior, so it takes no text; leave out the options of `text`$"):
        zoo.show("cnn", ["text.kind=words"], measure=False)
