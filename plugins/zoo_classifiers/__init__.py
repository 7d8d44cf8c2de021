"""Convolutional picture classifiers whose widths and sizes follow geometric progressions: the kind `cnn`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, ModelKind, hookimpl
from zoo_classifiers.spec import CNNSpec

if TYPE_CHECKING:
    from zoo.models import Model


def build(spec: CNNSpec, info: DataInfo) -> Model:
    """Build an untrained network for the pictures that `info` describes.

    Raises ZooError if the options do not fit them.
    """
    from zoo_classifiers.model import CNN

    return CNN(spec, info)


@hookimpl
def zoo_models() -> Iterable[ModelKind[Any]]:
    """Yield the kind `cnn`."""
    yield ModelKind("cnn", CNNSpec, build, "plain, separable or residual convolutions with fractional pooling")
