"""Heat maps by LayerCAM (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943): where a classifier sees a class."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.errors import ZooError
from zoo.models.base import Classifier

COARSEST, FINEST = 5, 10
"""Least and most places along a side of the maps that are used: finer ones show noise, coarser ones hardly a place."""
MAX_EXTRA = 5
"""Tokens that may stand for no place, such as the class token."""
EPSILON = 1e-12


def heat_maps(model: Classifier, x: Tensor, labels: Tensor) -> Tensor:
    """Compute where pictures speak for a class.

    A feature map counts where more of it would raise the class's score. The last map of each resolution gives one
    picture of heat; those of middle resolutions are averaged.

    Args:
        model: The classifier, in eval mode.
        x: Pictures (N, C, H, W) with values 0..1.
        labels: The class of interest of each, int64 (N,).

    Returns:
        Heat float32 (N, H, W) on the CPU; the largest value of each picture is 1, or 0 if nothing speaks for the class.

    Raises:
        ZooError: If the model has no feature maps.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from zoo.core.types import DataInfo
        >>> from zoo.models.base import Classifier
        >>> from zoo.models.heat import heat_maps
        >>> class Brightness(Classifier):
        ...     def __init__(self):
        ...         super().__init__(DataInfo.of((1, 8, 8), ("dark", "bright")))
        ...         self.layer = nn.Identity()
        ...     def logits(self, x):
        ...         level = self.layer(x).mean((1, 2, 3))
        ...         return torch.stack([-level, level], 1)
        >>> x = torch.zeros(1, 1, 8, 8)
        >>> x[..., 2, 5] = 1
        >>> heat_maps(Brightness(), x, torch.tensor([1])).argmax().item() == 2 * 8 + 5
        True
    """
    layers = choose_layers(layer_maps(model, x, labels))
    heat = torch.stack([normalise(resize(layer, x.shape[-2:])) for layer in layers]).mean(0)
    return normalise(heat).cpu()


def layer_maps(model: Classifier, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Compute the LayerCAM (N, h, w) of the last map at each resolution through which the score goes, finest first."""
    aspect = x.shape[-2] / x.shape[-1]
    with torch.enable_grad(), record_maps(model, aspect) as maps:
        scores = model(x.detach().requires_grad_()).float()
        total = scores.gather(1, labels[:, None]).sum()
        found = list(maps)
        slopes = torch.autograd.grad(total, found, allow_unused=True) if found else ()
    last: dict[tuple[int, ...], Tensor] = {}
    for features, slope in zip(found, slopes, strict=True):
        up, level = None if slope is None else to_grid(slope, aspect), to_grid(features, aspect)
        # a network that goes on with its class token alone has no slope at the last places
        if up is not None and level is not None and up.any():
            heat = (up.clamp(min=0) * level).sum(1).clamp(min=0).detach().float()
            last[tuple(heat.shape[1:])] = heat
    if not last:
        raise ZooError(
            "the model has no feature maps, so there is nothing to draw", "explain a convolutional classifier"
        )
    return [last[shape] for shape in sorted(last, reverse=True)]


@contextmanager
def record_maps(model: nn.Module, aspect: float) -> Iterator[list[Tensor]]:
    """Record the outputs (N, C, h, w) of all layers with a place in pictures of an aspect ratio, within the block."""
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor) and output.requires_grad and to_grid(output, aspect) is not None:
            maps.append(output)

    with ExitStack() as stack:
        for module in model.modules():
            if not any(module.children()):
                stack.enter_context(module.register_forward_hook(keep))
        yield maps


def to_grid(output: Tensor, aspect: float) -> Tensor | None:
    """Return maps (N, C, h, w) of the output of a layer for pictures of an aspect ratio; None if it has no places.

    It may have its channels last, or be tokens (N, T, C), of which the first may stand for no place.
    """
    if output.ndim == 3:
        side = math.isqrt(output.shape[1])
        extra = output.shape[1] - side**2
        tokens = output[:, extra:].transpose(1, 2)
        output = tokens.reshape(*tokens.shape[:2], side, side) if extra <= MAX_EXTRA else output
    if output.ndim != 4:
        return None
    _, first, second, third = output.shape
    first_last = [
        abs(math.log(max(one, 1) / max(other, 1) / aspect)) for one, other in ((second, third), (first, second))
    ]
    maps = output.permute(0, 3, 1, 2) if first_last[1] < first_last[0] else output
    return maps if maps.shape[2] * maps.shape[3] > 1 else None


def choose_layers(maps: list[Tensor]) -> list[Tensor]:
    """Choose the maps of middle resolution; the one nearest to that if there are none."""
    middle = [each for each in maps if COARSEST <= max(each.shape[1:]) <= FINEST]
    return middle or [min(maps, key=lambda each: abs(math.log(max(each.shape[1:]) / FINEST)))]


def resize(heat: Tensor, size: torch.Size) -> Tensor:
    """Enlarge heat (N, h, w) to the size of the pictures."""
    return F.interpolate(heat[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def normalise(heat: Tensor) -> Tensor:
    """Scale heat (N, H, W) so that its largest value is 1 in each picture."""
    return heat / heat.amax((1, 2), keepdim=True).clamp(min=EPSILON)
