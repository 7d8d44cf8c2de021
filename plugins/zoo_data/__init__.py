"""First-party data: digits, shapes with captions, CIFAR-10, MNIST, folders, Parquet files, and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoo.registry import DataKind, hookimpl
from zoo_data import arrays, cifar10, digits, fashion_mnist, folder, mnist_5k, parquet, shapes


@hookimpl
def zoo_data() -> Iterator[DataKind[Any]]:
    """Yield the data kinds."""
    yield DataKind(
        "digits", digits.DigitsSpec, digits.load, digits.info, "1,797 handwritten digits, 8x8 grey, included"
    )
    yield DataKind(
        "shapes", shapes.ShapesSpec, shapes.load, shapes.info, "one or two coloured shapes, 32x32, drawn here"
    )
    yield DataKind("cifar10", cifar10.Cifar10Spec, cifar10.load, cifar10.info, "60,000 photographs, 32x32 colour")
    yield DataKind(
        "fashion-mnist",
        fashion_mnist.FashionMNISTSpec,
        fashion_mnist.load,
        fashion_mnist.info,
        "70,000 pictures of clothing, 28x28 grey",
    )
    yield DataKind(
        "mnist-5k",
        mnist_5k.Mnist5kSpec,
        mnist_5k.load,
        mnist_5k.info,
        "5,000 digits, 28x28; needs pixel-zoo[mnist]",
    )
    yield DataKind("folder", folder.FolderSpec, folder.load, folder.info, "a folder with one subfolder per class")
    yield DataKind(
        "parquet", parquet.ParquetSpec, parquet.load, parquet.info, "Parquet files as on the Hugging Face Hub"
    )
    yield DataKind("arrays", arrays.ArraysSpec, arrays.load, arrays.info, "pictures and labels given in Python")
