"""The digits, and the sets that are downloaded."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from samples import one_line, write
from zoo_data import cifar10, digits, fashion_mnist
from zoo_data.download import fetch

from zoo.core.errors import DataError
from zoo.data.dataset import Loaded
from zoo.data.split import split

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


pytestmark = pytest.mark.usefixtures("cache")


def test_digits() -> None:
    spec = digits.DigitsSpec()
    loaded = digits.load(spec)
    assert loaded.train.x.shape == (1797, 1, 8, 8)
    assert (int(loaded.train.x.min()), int(loaded.train.x.max())) == (0, 255)
    assert torch.bincount(loaded.train.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    parts = split(loaded, spec)
    assert [len(part) for part in parts[:3]] == [1259, 179, 359]
    assert parts.info[:2] == digits.info(spec)[:2]


def test_listing_the_kinds_imports_nothing_heavy() -> None:
    code = (
        "import sys, zoo_data; names = [kind.name for kind in zoo_data.zoo_data()];"
        "heavy = {'torch', 'numpy', 'PIL', 'pyarrow', 'sklearn', 'torchvision'} & set(sys.modules);"
        "print(names, heavy)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert (
        out.strip()
        == "['digits', 'shapes', 'cifar10', 'fashion-mnist', 'mnist-5k', 'folder', 'parquet', 'arrays'] set()"
    )


def idx(values: NDArray[np.uint8]) -> bytes:
    sizes = struct.pack(f">{values.ndim}i", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    """A small Fashion-MNIST, one part compressed."""
    x = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    y = (np.arange(40) % 10).astype(np.uint8)
    root = tmp_path / "fashion"
    for part, count in (("train", 40), ("t10k", 20)):
        images, labels = idx(x[:count]), idx(y[:count])
        write(root / f"{part}-images-idx3-ubyte.gz", gzip.compress(images))
        write(root / f"{part}-labels-idx1-ubyte", labels)
    return root


@pytest.mark.parametrize("inner", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_fashion_mnist_is_found_in_each_layout(fashion: Path, inner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if inner:
        (fashion.parent / "up" / inner).parent.mkdir(parents=True)
        fashion.rename(fashion.parent / "up" / inner)
        fashion = fashion.parent / "up"
    monkeypatch.setenv("ZOO_DATA", str(fashion))
    loaded = fashion_mnist.load(fashion_mnist.FashionMNISTSpec(download=False))
    x = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    assert np.array_equal(loaded.train.x[:, 0].numpy(), x)
    assert loaded.test is not None
    assert loaded.test.y.tolist() == [*range(10)] * 2


def test_a_damaged_idx_file_is_named(fashion: Path) -> None:
    path = fashion / "train-images-idx3-ubyte.gz"
    for content in (path.read_bytes()[:300], gzip.compress(b"\0\0\x08\x03"), b"no gzip"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is damaged") as error:
            fashion_mnist.load(fashion_mnist.FashionMNISTSpec(root=fashion))
        one_line(error)


@pytest.mark.parametrize(
    "start", [b"\0\0\x0d\x01\0\0\0\x28", b"\1\0\x08\x01\0\0\0\x28", b"\0\0\x08\x01\xff\xff\xff\xff", b"", b"\0\0"]
)
def test_an_idx_file_of_another_type_or_size_is_not_read_as_bytes(fashion: Path, start: bytes) -> None:
    path = fashion / "train-labels-idx1-ubyte"
    path.write_bytes(start + path.read_bytes()[8:] * bool(start[2:]))
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is damaged") as error:
        fashion_mnist.load(fashion_mnist.FashionMNISTSpec(root=fashion))
    one_line(error)


def test_idx_files_that_unpack_to_too_much_or_do_not_fit_are_named(fashion: Path) -> None:
    images, labels = fashion / "train-images-idx3-ubyte.gz", fashion / "train-labels-idx1-ubyte"
    kept = labels.read_bytes()
    for wrong in (idx(np.zeros(39, np.uint8)), idx(np.zeros((40, 1), np.uint8))):
        write(labels, wrong)
        with pytest.raises(DataError, match="train pictures and labels are of shape"):
            fashion_mnist.load(fashion_mnist.FashionMNISTSpec(root=fashion))
    write(labels, kept)
    write(images, gzip.compress(bytes(70_000_000), 1))
    with pytest.raises(DataError, match="more than 64,000,000 bytes"):
        fashion_mnist.load(fashion_mnist.FashionMNISTSpec(root=fashion))


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist_works_as_root() -> None:
    spec = fashion_mnist.FashionMNISTSpec(root=DEBIAN, download=False)
    loaded = fashion_mnist.load(spec)
    parts = split(loaded, spec)
    assert [len(part) for part in parts[:3]] == [54_000, 6_000, 10_000]
    assert (torch.bincount(parts.test.y) == 1000).all()
    np.testing.assert_allclose((parts.info.mean, parts.info.std), ((0.2860,), (0.3530,)), atol=1e-3)


def small_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """Batches in CIFAR-10's format with the sums that torchvision will look for."""
    from torchvision.datasets import CIFAR10

    x = np.random.default_rng(0).integers(0, 256, (30, 3, 32, 32), np.uint8)

    def batch(name: str, value: dict[str, Any]) -> list[str]:
        content = pickle.dumps(value)
        write(root / "cifar-10-batches-py" / name, content)
        return [name, hashlib.md5(content).hexdigest()]

    train = batch("data_batch_1", {"data": x[:20].reshape(20, -1), "labels": [place % 10 for place in range(20)]})
    test = batch("test_batch", {"data": x[20:].reshape(10, -1), "labels": list(range(10))})
    meta = batch("batches.meta", {"label_names": list(cifar10.CLASSES)})
    monkeypatch.setattr(CIFAR10, "train_list", [train])
    monkeypatch.setattr(CIFAR10, "test_list", [test])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    return x


def test_cifar10_is_read_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = small_cifar(tmp_path / "data", monkeypatch)
    loaded = cifar10.load(cifar10.Cifar10Spec(root=tmp_path / "data", download=False))
    assert np.array_equal(loaded.train.x.numpy(), x[:20])
    assert loaded.test is not None
    assert np.array_equal(loaded.test.x.numpy(), x[20:])
    write(tmp_path / "data" / "cifar-10-batches-py" / "test_batch", b"damaged")
    with pytest.raises(DataError, match="damaged; delete it") as error:
        cifar10.load(cifar10.Cifar10Spec(root=tmp_path / "data"))
    one_line(error)


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("how", ["nowhere", "/dev/zero", "pipe", "folder"])
def test_what_is_no_file_among_the_batches_is_one_line(how: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cifar(cache / "data", monkeypatch)
    path = cache / "data" / "cifar-10-batches-py" / "test_batch"
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    else:
        path.symlink_to(how)
    with pytest.raises(DataError, match="test_batch is not a regular file; delete") as error:
        cifar10.load(cifar10.Cifar10Spec(root=cache / "data"))
    one_line(error)


def test_a_failed_download_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from torchvision.datasets import CIFAR10, FashionMNIST

    nowhere = "http://127.0.0.1:9/"
    monkeypatch.setattr(CIFAR10, "url", nowhere + "cifar.tar.gz")
    monkeypatch.setattr(FashionMNIST, "mirrors", [nowhere])
    root = tmp_path / "here"
    loads: list[tuple[Callable[[], Loaded], str]] = [
        (lambda: cifar10.load(cifar10.Cifar10Spec(root=root)), f"copy {nowhere}cifar.tar.gz to"),
        (lambda: fashion_mnist.load(fashion_mnist.FashionMNISTSpec(root=root)), f"copy the four files .* of {nowhere}"),
    ]
    for load, what in loads:
        with pytest.raises(DataError, match=f"cannot download .*{what}") as error:
            load()
        assert str(root) in one_line(error)
    fetch("talk", cifar10.Cifar10Spec(root=root), "", lambda folder: print("fetched into", folder))
    said = capfd.readouterr()
    assert said.out == ""
    assert f"fetched into {root}" in said.err
    with pytest.raises(DataError, match=r"data\.download is false; set data\.download=true"):
        cifar10.load(cifar10.Cifar10Spec(root=root, download=False))
