"""Early downsampling: find where a network reduces its input, and lower the strides."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from timm.layers.blur_pool import BlurPool2d
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn
from torch.nn import functional as F

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, BlurPool2d)


class Reduction(NamedTuple):
    """A module that reduces height and width; `before` and `after` are picture pixels per pixel of its map."""

    name: str
    before: float
    after: float


class Inspection(NamedTuple):
    """Reductions and sizes found in a forward pass."""

    steps: list[Reduction]
    """Strided convolutions and pools, in order of use."""
    side: float
    """Geometric mean of height and width of the last map or token grid."""
    scores: tuple[int, ...]
    """Shape of the output."""


def inspect_network(net: nn.Module, x: Tensor) -> Inspection:
    """Run `net` in eval mode on x (N, C, H, W), which may be on the meta device, and record its reductions."""
    steps: dict[str, Reduction] = {}
    hooks = [
        module.register_forward_hook(reduction_hook(name, x.shape[2:], steps))
        for name, module in net.named_modules()
        if isinstance(module, (nn.Conv2d, *POOLS)) and max_stride(module) > 1
    ]
    net.eval()
    try:
        with torch.no_grad():
            scores: Any = net(x)
            features: Any = net.forward_features(x)  # type: ignore[operator]
    finally:
        for hook in hooks:
            hook.remove()
    shape = tuple(scores.shape) if isinstance(scores, Tensor) else ()
    side = map_side(features, getattr(net, "num_features", 0))
    if side < 2 and steps:
        side = math.sqrt(math.prod(x.shape[2:])) / max(step.after for step in steps.values())
    return Inspection(list(steps.values()), side, shape)


def reduction_hook(name: str, picture: torch.Size, steps: dict[str, Reduction]) -> Callable[..., None]:
    """Return a forward hook that adds a module's reduction to `steps`."""
    area = math.prod(picture)

    def record(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inputs[0].ndim == 4 and output.shape[2] < inputs[0].shape[2]:
            before, after = (snap_to_power(math.sqrt(area / math.prod(m.shape[2:]))) for m in (inputs[0], output))
            steps[name] = Reduction(name, before, after)

    return record


def snap_to_power(ratio: float) -> float:
    """Round to a power of two within about an eighth of an octave, which unpadded convolutions miss a little."""
    power = 2.0 ** round(math.log2(ratio))
    return power if abs(math.log2(ratio / power)) < 0.18 else float(round(ratio))


def map_side(features: Any, width: int) -> float:
    """Return the geometric mean of height and width of a map (N, C, H, W) or (N, H, W, C), or of a token sequence."""
    while isinstance(features, tuple | list):
        features = features[-1] if features else None
    shape: Any = getattr(features, "shape", ())
    if len(shape) == 4:
        return math.sqrt(shape[1] * shape[2] if shape[3] == width and shape[1] != width else shape[2] * shape[3])
    if len(shape) == 3:
        return math.sqrt(shape[1] if shape[2] == width else shape[2] if shape[1] == width else min(shape[1:]))
    return 1.0


def lower_strides(steps: list[Reduction], factor: float) -> dict[str, int]:
    """Return new strides by module name with which the network reduces `factor` times less, early modules first."""
    first = min((step.before for step in steps), default=1.0)
    new = {}
    for step in steps:
        before, after = (max(first, side / factor) for side in (step.before, step.after))
        if (less := max(1, round(after / before))) < round(step.after / step.before):
            new[step.name] = less
    return new


def apply_strides(net: nn.Module, strides: dict[str, int], trim: bool) -> None:
    """Change the strides in place; with `trim` a larger kernel of the first convolution also becomes 3 x 3."""
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    for name, new in strides.items():
        module = net.get_submodule(name)
        if isinstance(module, nn.Conv2d):
            set_conv_stride(module, new, trim and module is first)
            set_patch_size(net.get_submodule(name.rpartition(".")[0]), new)
        elif new == 1:
            replace_module(net, name, nn.Identity())
        else:
            set_pool_stride(module, new)


def set_patch_size(embedding: Any, new: int) -> None:
    """Set the patch and picture size of a patch embedding after its convolution changed."""
    if isinstance(embedding, PatchEmbed):
        embedding.patch_size = (new, new)
        if embedding.img_size is not None:
            embedding.img_size = tuple(side * new for side in embedding.grid_size)


def set_pool_stride(pool: Any, new: int) -> None:
    """Lower the stride of a pool; regions that did not overlap still do not."""
    if getattr(pool, "kernel_size", None) in (pool.stride, (pool.stride, pool.stride)):
        pool.kernel_size = new
    pool.stride = new


def replace_module(net: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the submodule `name` by `module`."""
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, module)


def max_stride(module: nn.Module) -> int:
    """Return the larger of a module's two strides."""
    value: Any = getattr(module, "stride", 1)
    return max(value) if isinstance(value, tuple | list) else int(value or 1)


def set_conv_stride(conv: nn.Conv2d, new: int, trim: bool) -> None:
    """Lower the stride of a convolution, and adapt its kernel."""
    old, kernel = max_stride(conv), conv.kernel_size[0]
    side = kernel
    if conv.kernel_size[1] != kernel:
        conv.padding = (conv.dilation[0] * (kernel // 2), conv.dilation[1] * (conv.kernel_size[1] // 2))
    elif kernel == old or (set(conv.padding) == {0} and kernel * new % old == 0):
        side = round(kernel * new / old)
        weight = F.adaptive_avg_pool2d(conv.weight.detach(), side) * (kernel / side) ** 2
    else:
        side = 3 if trim and kernel > 3 else kernel - (kernel % 2 == 0)
        cut = (kernel - side) // 2
        weight = conv.weight.detach()[:, :, cut : cut + side, cut : cut + side] * (kernel / side)
        if not pads_itself(conv):
            conv.padding = (conv.dilation[0] * (side // 2),) * 2
    conv.stride = (new, new)
    if side != kernel:
        conv.kernel_size = (side, side)
        conv.weight = nn.Parameter(weight.contiguous())


def pads_itself(conv: nn.Conv2d) -> bool:
    """Whether the convolution pads dynamically, as TensorFlow's do."""
    return "Same" in type(conv).__name__ or bool(getattr(conv, "same_pad", False))
