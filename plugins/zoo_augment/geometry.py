"""Augmentation that moves pixels: crop, flip and affine maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import DataInfo, ZooError
from zoo.core import to_device
from zoo.data import Augment, reflect
from zoo_augment.spec import AffineSpec, CropSpec, FlipSpec


def symmetric(u: Tensor) -> Tensor:
    """Map numbers in 0..1 to -1..1."""
    return u * 2 - 1


class Flip(Augment):
    """Flip all pictures; how many are flipped is the probability's matter."""

    def __init__(self, spec: FlipSpec, info: DataInfo) -> None:
        self.axis = 3 if spec.axis == "horizontal" else 2

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        return x.flip(self.axis)


class Crop(Augment):
    """Shift each picture by whole pixels, and fill the border."""

    draws = 2

    def __init__(self, spec: CropSpec, info: DataInfo) -> None:
        _, height, width = info.shape
        self.pad = max(1, height // 8) if spec.pad == "auto" else spec.pad
        self.mirrored = spec.fill == "reflect"
        self.mean = torch.tensor(info.mean if spec.fill == "mean" else (0.0,) * len(info.mean))
        if self.mirrored and self.pad >= min(height, width):
            text = f"crop: pad={self.pad} is too large for mirroring {width}x{height} pictures"
            raise ZooError(text, f"set pad={min(height, width) - 1} or less")

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        shift = (u * (2 * self.pad + 1)).int().clamp_(max=2 * self.pad) - self.pad
        rows, columns = (
            torch.arange(size, dtype=torch.int32, device=x.device) + shift[:, axis, None]
            for axis, size in enumerate((height, width))
        )
        inside = [(line >= 0) & (line < size) for line, size in ((rows, height), (columns, width))]
        if self.mirrored:
            rows, columns = reflect(rows, height), reflect(columns, width)
        else:
            rows, columns = rows.clamp_(0, height - 1), columns.clamp_(0, width - 1)
        first = torch.arange(0, count * height, height, dtype=torch.int32, device=x.device)
        pixels = (first[:, None] + rows)[:, :, None] * width + columns[:, None]
        flat = x.permute(0, 2, 3, 1).reshape(-1, channels)
        y = flat.index_select(0, pixels.view(-1)).view(count, height, width, channels)
        if not self.mirrored:
            shown = (inside[0][:, :, None] & inside[1][:, None]).to(y.dtype)[..., None]
            y = torch.lerp(to_device(self.mean.to(y.dtype), y.device), y, shown) if self.mean.any() else y * shown
        return y.permute(0, 3, 1, 2)


class Affine(Augment):
    """Map each picture by a random affine map around its centre."""

    draws = 6

    def __init__(self, spec: AffineSpec, info: DataInfo) -> None:
        self.spec = spec
        self.mean = info.mean if spec.fill == "mean" else ()

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        spec, away = self.spec, symmetric(u)
        shear = torch.deg2rad(away[:, 4:6] * spec.shear)
        matrix = affine_matrix(torch.deg2rad(away[:, 0] * spec.degrees), 1 + away[:, 1] * spec.scale, shear)
        size = to_device(torch.tensor([x.shape[3], x.shape[2]], dtype=x.dtype), x.device)
        return warp(x, matrix, away[:, 2:4] * spec.translate * size, reflect=spec.fill == "reflect", mean=self.mean)


def affine_matrix(angle: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Make maps (N, 2, 2) of pixel offsets (x, y): rotation by an angle, after shear and scale."""
    cos, sin, (across, down) = angle.cos(), angle.sin(), shear.tan().unbind(1)
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    one = torch.ones_like(across)
    sheared = torch.stack([torch.stack([one, across], 1), torch.stack([down, one + across * down], 1)], 1)
    return rotation @ sheared * scale[:, None, None]


def warp(
    x: Tensor,
    matrix: Tensor,
    shift: Tensor,
    *,
    reflect: bool = False,
    nearest: bool = False,
    mean: tuple[float, ...] = (),
) -> Tensor:
    """Map pictures (N, C, H, W) by maps (N, 2, 2) of pixel offsets from the centre, then by a shift (N, 2) in pixels.

    What comes from outside is black, the mean colour, or the mirrored picture.
    """
    _, _, height, width = x.shape
    inverse = invert(matrix)
    # grid_sample wants offsets in half sizes
    half = to_device(torch.tensor([width / 2, height / 2], dtype=x.dtype), x.device)
    linear = inverse * half / half[:, None]
    moved = -(inverse @ shift[:, :, None]) / half[:, None]
    grid = F.affine_grid(torch.cat([linear, moved], 2), list(x.shape), align_corners=False)
    back = to_device(torch.tensor(mean, dtype=x.dtype).view(-1, 1, 1), x.device) if mean else None
    y = F.grid_sample(
        x.contiguous() if back is None else x - back,
        grid,
        mode="nearest" if nearest else "bilinear",
        padding_mode="reflection" if reflect else "zeros",
        align_corners=False,
    )
    return y.clamp_(0, 1) if back is None else y.add_(back).clamp_(0, 1)


def invert(matrix: Tensor) -> Tensor:
    """Invert matrices (N, 2, 2)."""
    a, b, c, d = matrix.flatten(1).unbind(1)
    adjugate = torch.stack([d, -b, -c, a], 1).view(-1, 2, 2)
    return adjugate / (a * d - b * c)[:, None, None]
