"""Operations of kornia, found by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo import DataInfo, ZooError
from zoo.core import MissingError, did_you_mean
from zoo.data import Augment
from zoo_augment.spec import KorniaSpec

TRIED = 2
"""Pictures on which an operation is tried."""


class KorniaOperation(Augment):
    """An operation of kornia whose draws come from one of our random numbers."""

    draws = 1
    on_cpu = True

    def __init__(self, spec: KorniaSpec, info: DataInfo) -> None:
        self.operation = make_operation(spec.operation, spec.options)
        try:
            self(torch.zeros(TRIED, *info.shape), torch.zeros(TRIED, 1))
        except ZooError:
            raise
        except Exception as error:  # kornia raises all kinds
            text = f"kornia:{spec.operation} fails on {info.shape[2]}x{info.shape[1]} pictures: {error}"
            raise ZooError(text[:300], "choose other options of it, or leave it out") from error

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            # kornia draws its parameters on the CPU; torch.manual_seed would also reset the generators of other devices
            torch.default_generator.manual_seed(int(u[0, 0].item() * 2**24))
            parameters = self.operation.forward_parameters(x.shape)
            y: Tensor = self.operation(x.contiguous(), params=parameters)
        if y.shape != x.shape:
            text = f"kornia:{type(self.operation).__name__} changes the size of pictures"
            raise ZooError(text, "choose an operation that keeps it")
        return y.to(x.dtype).clamp(0, 1)


def make_operation(name: str, options: dict[str, Any]) -> Any:
    """Make an operation of kornia.augmentation."""
    try:
        from kornia import augmentation
        from kornia.augmentation import IntensityAugmentationBase2D, RigidAffineAugmentationBase2D
    except ImportError as error:
        text = f"kornia:{name} needs the package kornia"
        raise MissingError(text, "install it with: pip install 'pixel-zoo[kornia]'") from error
    bases = (IntensityAugmentationBase2D, RigidAffineAugmentationBase2D)
    known = {key: found for key, found in vars(augmentation).items() if isinstance(found, type)}
    usable = {key: found for key, found in known.items() if issubclass(found, bases) and found not in bases}
    if name not in usable:
        what = "mixes pictures or is no operation of single ones" if name in known else "is not in kornia.augmentation"
        raise ZooError(f"kornia:{name[:60]} {what}", did_you_mean(name, usable))
    try:
        return usable[name](**{"p": 1.0, **options})
    except (TypeError, ValueError) as error:
        raise ZooError(f"kornia:{name}: {error}"[:300], "see its arguments in the documentation of kornia") from error
