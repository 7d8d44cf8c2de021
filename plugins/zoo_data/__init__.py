"""First-party data: digits, shapes with captions, CIFAR-10, MNIST, folders, Parquet files, and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo.core import DataInfo, Spec
from zoo.registry import DataKind, JudgeKind, MetricKind, hookimpl
from zoo_data import arrays, cifar10, digits, fashion_mnist, folder, mnist_5k, parquet, shapes

if TYPE_CHECKING:
    from zoo.models import Judge
    from zoo.registry import Outputs


class NoOptions(Spec):
    """Options of a metric or a judge that has none."""


def build_reader(spec: NoOptions, info: DataInfo) -> Judge:
    """Build the network that reads what pictures of shapes show."""
    from zoo_data.shapes.judge import build_judge

    return build_judge(info)


def shapes_shown(spec: NoOptions, found: Outputs) -> Mapping[str, Any] | None:
    """Compute the shares of attributes that samples show as their captions say; None for other data."""
    if found.gallery is None:
        return None
    from zoo_data.shapes.metrics import compute

    return compute(found)


@hookimpl
def zoo_data() -> Iterator[DataKind[Any]]:
    """Yield the data kinds."""
    yield DataKind(
        "digits", digits.DigitsSpec, digits.load, digits.info, "1,797 handwritten digits, 8x8 grey, included"
    )
    yield DataKind(
        "shapes",
        shapes.ShapesSpec,
        shapes.load,
        shapes.info,
        "16,000 pictures of coloured shapes with captions, 32x32, included",
        judge="shapes",
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


@hookimpl
def zoo_judges() -> Iterator[JudgeKind[Any]]:
    """Yield the judge kinds."""
    yield JudgeKind("shapes", NoOptions, build_reader, "reads what pictures of the data kind shapes show")


@hookimpl
def zoo_metrics() -> Iterator[MetricKind[Any]]:
    """Yield the metric kinds."""
    yield MetricKind("shapes", NoOptions, shapes_shown, "what samples show of their captions", data="shapes")
