"""Judges that were trained on ImageNet rather than on the user's pictures: `efficientnet-lite0` and `inception`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, JudgeKind, Spec, hookimpl

if TYPE_CHECKING:
    from zoo.models import Judge


class NoOptions(Spec):
    """Options of a judge that has none."""


def build_lite(spec: NoOptions, info: DataInfo) -> Judge:
    """Build EfficientNet-Lite0 with ImageNet weights; MissingError if its packages are not installed."""
    from zoo_judges.pretrained import Lite

    return Lite()


def build_inception(spec: NoOptions, info: DataInfo) -> Judge:
    """Build Inception-v3 as the FID uses it; MissingError if its weights cannot be downloaded."""
    from zoo_judges.pretrained import Inception

    return Inception()


@hookimpl
def zoo_judges() -> Iterator[JudgeKind[Any]]:
    """Yield the judge kinds."""
    summary = "ImageNet weights from a package; needs pixel-zoo[judges]"
    yield JudgeKind("efficientnet-lite0", NoOptions, build_lite, summary)
    summary = "makes the Frechet distance the standard FID; needs pixel-zoo[judges], downloads its weights once"
    yield JudgeKind("inception", NoOptions, build_inception, summary)
