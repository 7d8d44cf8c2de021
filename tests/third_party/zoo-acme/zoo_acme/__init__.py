"""Acme's plugin: the depthwise model, the shapes pictures, and an entry that trains one on the other."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, DataKind, ModelKind, hookimpl
from zoo_acme.spec import CLASSES, SIDE, DepthwiseSpec, ShapesSpec

if TYPE_CHECKING:
    from zoo.data import Loaded
    from zoo.models import Model

ZOO_API = 1


def build(spec: DepthwiseSpec, info: DataInfo) -> Model:
    """A fresh model."""
    from zoo_acme.model import Depthwise

    return Depthwise(spec, info)


def load(spec: ShapesSpec) -> Loaded:
    """The pictures, drawn anew."""
    from zoo_acme.shapes import draw_all

    return draw_all(spec)


def info(spec: ShapesSpec) -> DataInfo:
    """What is known without drawing anything."""
    return DataInfo.of((3, SIDE, SIDE), CLASSES)


@hookimpl
def zoo_models() -> Iterable[ModelKind[Any]]:
    """The model."""
    yield ModelKind("depthwise", DepthwiseSpec, build, "depthwise-separable convolutions and a mean over the picture")


@hookimpl
def zoo_data() -> Iterable[DataKind[Any]]:
    """The pictures."""
    yield DataKind("polygons", ShapesSpec, load, info, "coloured shapes on a noisy ground, drawn when they are needed")


@hookimpl
def zoo_registries() -> Iterable[Traversable]:
    """The entry that comes with the package."""
    yield files("zoo_acme") / "entries.yaml"
