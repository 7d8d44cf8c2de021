"""Flows of the package zuko as a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.core import MissingError, ZooError
from zoo_priors.coupling import Step, Weighted, total

NAMES = ("MAF", "NICE", "NSF")
"""Those with a normal base, an exact inverse and the options that are given here."""


class Zuko(Step):
    """The transform of one of zuko's flows, which takes the context as its own."""

    def __init__(self, name: str, size: int, context: int, layers: int, width: int) -> None:
        super().__init__()
        # zuko looks into its masks while it builds, which the meta device has not got.
        with torch.device("cpu"):
            flow = found(name)(size, context, transforms=layers, hidden_features=(width, width))
        self.transform: nn.Module = flow.transform.to(torch.get_default_device())

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        if z.device.type == "meta":
            return z, z.sum(1)
        u, log_det = self.transform(context).call_and_ladj(z)
        return u, log_det

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        z: Tensor = self.transform(total(contexts)).inv(u)
        return z


def found(name: str) -> Any:
    """The class of zuko's flow; MissingError without zuko, ZooError where the name is not one of NAMES."""
    if name not in NAMES:
        raise ZooError(f"the prior flow has no architecture zuko:{name}", f"choose {', '.join(NAMES)}")
    try:
        import zuko
    except ImportError as error:
        raise MissingError(
            f"the architecture zuko:{name} needs {error.name}", 'pip install "pixel-zoo[zuko]"'
        ) from error
    return getattr(zuko.flows, name)
