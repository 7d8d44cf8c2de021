"""Convolutional picture classifiers: the kinds `cnn` and `convnet`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, ModelKind, hookimpl
from zoo_classifiers.convnet.spec import ConvNetSpec
from zoo_classifiers.spec import CNNSpec

if TYPE_CHECKING:
    from zoo.models import Model


def build(spec: CNNSpec, info: DataInfo) -> Model:
    """Build an untrained network for the pictures that `info` describes.

    Raises ZooError if the options do not fit them.
    """
    from zoo_classifiers.model import CNN

    return CNN(spec, info)


def build_convnet(spec: ConvNetSpec, info: DataInfo) -> Model:
    """Build an untrained convnet for the pictures that `info` describes.

    Raises ZooError if they are too small.
    """
    from zoo_classifiers.convnet.model import ConvNet

    return ConvNet(spec, info)


@hookimpl
def zoo_models() -> Iterable[ModelKind[Any]]:
    """Yield the kinds `cnn` and `convnet`."""
    yield ModelKind("cnn", CNNSpec, build, "plain, separable or residual convolutions with fractional pooling")
    yield ModelKind("convnet", ConvNetSpec, build_convnet, "convolutions behind a whitening layer, plain or residual")
