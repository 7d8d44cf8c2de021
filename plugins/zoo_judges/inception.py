"""Inception-v3 in the version of the FID (Heusel et al. 2017, arXiv:1706.08500), by way of torchmetrics."""

from __future__ import annotations

from torch import Tensor

from zoo.core import MissingError
from zoo.models import Judge, Look
from zoo_judges.size import coloured

SIDE = 299


class Inception(Judge):
    """Its 2048 pooled features; the Frechet distance in them is the FID."""

    def __init__(self) -> None:
        super().__init__()
        try:
            from torchmetrics.image.fid import NoTrainInceptionV3

            self.net = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
        except (ImportError, ModuleNotFoundError) as error:
            raise MissingError("the judge inception needs torch-fidelity", 'pip install "pixel-zoo[judges]"') from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise MissingError(
                f"the weights of Inception-v3 cannot be fetched: {reason}",
                "go online for once, or take another judge, as --judge efficientnet-lite0",
            ) from error

    def forward(self, x: Tensor) -> Look:
        found: Tensor = self.net((coloured(x, SIDE) * 255).round().byte())
        return Look(found.flatten(1), None)
