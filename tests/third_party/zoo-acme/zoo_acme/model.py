"""The depthwise network (depthwise-separable convolutions, arXiv:1610.02357)."""

from __future__ import annotations

from torch import Tensor, nn

from zoo import DataInfo
from zoo.models import Classifier
from zoo_acme.spec import DepthwiseSpec


class Depthwise(Classifier):
    """A 3x3 convolution, depthwise-separable layers, the mean over the picture, a linear layer."""

    def __init__(self, spec: DepthwiseSpec, info: DataInfo) -> None:
        super().__init__(info)
        width = spec.width
        layers: list[nn.Module] = [nn.Conv2d(info.shape[0], width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        for _ in range(spec.depth):
            layers += [
                nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width, bias=False),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, len(info.classes))

    def logits(self, x: Tensor) -> Tensor:
        """Scores (N, K) of standardised pictures (N, C, H, W)."""
        scores: Tensor = self.head(self.body(x).mean((2, 3)))
        return scores
