"""A timm network as a classifier, with new weights or timm's own from the Hugging Face Hub."""

from __future__ import annotations

from typing import Any, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import DataInfo
from zoo.core import MissingError, ZooError
from zoo.models import Classifier, wants_pretrained
from zoo_timm.architectures import UnfitError, create_network, first_line
from zoo_timm.plan import Plan, Size, make_plan
from zoo_timm.spec import TimmSpec
from zoo_timm.strides import apply_strides


class Timm(Classifier):
    """A classifier by `net`; pictures of another size than `size`, (height, width) in pixels, are resized first."""

    def __init__(self, info: DataInfo, net: nn.Module, size: Size, label_smoothing: float) -> None:
        super().__init__(info, label_smoothing)
        self.net, self.size = net, size

    def logits(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(resize(x, self.size)))


def resize(x: Tensor, size: Size) -> Tensor:
    """Resize pictures (N, C, H, W) to `size` bilinearly, with antialiasing if they shrink."""
    if tuple(x.shape[2:]) == size:
        return x
    return F.interpolate(x, size, mode="bilinear", antialias=x.shape[2] > size[0] or x.shape[3] > size[1])


def build_model(spec: TimmSpec, info: DataInfo) -> Timm:
    """Build the network with its weights on the default device; on the meta device without weights."""
    plan = make_plan(spec, info)
    net = plan.net if torch.get_default_device().type == "meta" else build_network(spec, plan)
    return Timm(info, net.train(), plan.size, spec.label_smoothing)


def build_network(spec: TimmSpec, plan: Plan) -> nn.Module:
    """Build the network of a plan with new or downloaded weights."""
    options = dict(plan.options)
    if spec.pretrained and wants_pretrained():
        overlay = {"file": download_weights(spec.architecture), "custom_load": False}
        options |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    try:
        net = create_network(spec.architecture, options)
    except UnfitError as error:
        raise ZooError(f"timm's {spec.architecture} cannot be built: {error}") from error
    apply_strides(net, plan.strides, trim=not spec.pretrained)
    return net


SAFETENSORS_NAMES = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}


def download_weights(name: str) -> str:
    """Return the path of the weights in the hub's cache, downloading them if needed.

    Raises MissingError if that fails.
    """
    import huggingface_hub as hub

    config: Any = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise MissingError(f"timm has no weights for {name} on the Hugging Face hub", "set model.pretrained=false")
    repository, _, revision = config.hf_hub_id.partition("@")
    try:
        return hub.hf_hub_download(repository, safetensors_name(config.hf_hub_filename), revision=revision or None)
    except hub.errors.LocalEntryNotFoundError as error:
        raise MissingError(
            f"the weights of {name} are not in the cache and cannot be downloaded from {repository}",
            "connect to the internet, unset HF_HUB_OFFLINE, or set model.pretrained=false",
        ) from error
    except Exception as error:
        raise MissingError(
            f"cannot download the weights of {name}: {first_line(error)}", "try again, or set model.pretrained=false"
        ) from error


def safetensors_name(configured: str | None) -> str:
    """Return the name of the safetensors file for the weights file that timm names."""
    if not configured:
        return "model.safetensors"
    return SAFETENSORS_NAMES.get(configured, configured.rpartition(".")[0] + ".safetensors")
