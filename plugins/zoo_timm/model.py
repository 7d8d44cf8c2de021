"""A timm network as a classifier."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import DataInfo
from zoo.core import ZooError
from zoo.models import Classifier, wants_pretrained
from zoo_timm.architectures import Unfit, create
from zoo_timm.plan import Plan, Size, planned
from zoo_timm.spec import TimmSpec
from zoo_timm.strides import apply


class Timm(Classifier):
    """`net` over pictures that are first resized to `size`, (height, width) in pixels, where they differ."""

    def __init__(self, info: DataInfo, net: nn.Module, size: Size, label_smoothing: float) -> None:
        super().__init__(info, label_smoothing)
        self.net, self.size = net, size

    def logits(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(resized(x, self.size)))


def resized(x: Tensor, size: Size) -> Tensor:
    """Pictures (N, C, H, W) of `size`, bilinearly; smoothed first where they shrink."""
    if tuple(x.shape[2:]) == size:
        return x
    return F.interpolate(x, size, mode="bilinear", antialias=x.shape[2] > size[0] or x.shape[3] > size[1])


def build(spec: TimmSpec, info: DataInfo) -> Timm:
    """The planned network with its weights, on the current default device; on the meta device without any."""
    plan = planned(spec, info)
    net = plan.net if torch.get_default_device().type == "meta" else allocated(spec, plan)
    return Timm(info, net.train(), plan.size, spec.label_smoothing)


def allocated(spec: TimmSpec, plan: Plan) -> nn.Module:
    """The network of a plan with new or downloaded weights."""
    options = dict(plan.options)
    if spec.pretrained and wants_pretrained():
        from zoo_timm.weights import downloaded

        overlay = {"file": downloaded(spec.architecture), "custom_load": False}
        options |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    try:
        net = create(spec.architecture, options)
    except Unfit as error:
        raise ZooError(f"timm's {spec.architecture} cannot be built: {error}") from error
    apply(net, plan.strides, trim=not spec.pretrained)
    return net
