"""Every architecture of timm as a classifier of small pictures: the kind `timm`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, ModelKind, hookimpl
from zoo_timm.spec import TimmSpec

if TYPE_CHECKING:
    from zoo.models import Model


def build(spec: TimmSpec, info: DataInfo) -> Model:
    """Build an architecture for the pictures that `info` describes.

    Raises ZooError if it or the budget does not fit.
    """
    from zoo_timm.model import build_model

    return build_model(spec, info)


@hookimpl
def zoo_models() -> Iterable[ModelKind[Any]]:
    """Yield the kind `timm`."""
    yield ModelKind("timm", TimmSpec, build, "any timm architecture, with its stem adapted to small pictures")
