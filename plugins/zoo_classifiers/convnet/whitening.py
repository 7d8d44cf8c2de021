"""The whitening layer: its filters are the scaled eigenvectors of the covariance of the pictures' patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_classifiers.convnet import native
from zoo_classifiers.convnet.layers import ACTIVATIONS

NOISE = 5e-4
"""Added to the eigenvalues, so that directions that hardly vary are not blown up."""
CHUNK = 50
"""Pictures whose patches are held at a time."""


class Whitening(nn.Module):
    """A convolution whose outputs are uncorrelated, each with both signs, and an activation.

    Its filters are fixed, and only its bias may learn (Jordan 2024, arXiv:2404.00498). Until `fit` is called they are
    random and orthogonal.
    """

    def __init__(self, channels: int, patch: int, activation: str) -> None:
        super().__init__()
        self.size = channels * patch * patch
        self.outputs, self.activation, self.learns, self.native = 2 * self.size, activation, True, False
        filters = torch.empty(self.size, channels, patch, patch)
        nn.init.orthogonal_(filters)
        self.weight = nn.Parameter(torch.cat([filters, -filters]), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(self.outputs))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Compute the filters from standardised pictures (N, C, H, W)."""
        levels, vectors = torch.linalg.eigh(patch_covariance(x, self.weight.shape[-1]))
        scaled = (vectors / (levels.clamp_min(0) + NOISE).sqrt()).T.flip(0)
        filters = scaled.reshape(self.size, *self.weight.shape[1:]).to(self.weight)
        self.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, x: Tensor) -> Tensor:
        # In this order a compiler makes no second graph for evaluation.
        bias = self.bias if not self.training or self.learns else self.bias.detach()
        if self.native and x.device.type == "cpu":
            return native.bias_tail(F.conv2d(x, self.weight), bias, self.activation)
        return ACTIVATIONS[self.activation](F.conv2d(x, self.weight, bias))


def patch_covariance(x: Tensor, size: int) -> Tensor:
    """Compute the covariance (C * size^2, C * size^2) of the patches of pictures, on the CPU in double precision."""
    total, products, count = torch.zeros(()), torch.zeros(()), 0
    for part in torch.split(x.cpu(), CHUNK):
        rows = F.unfold(part.float(), size).transpose(1, 2).flatten(0, 1).double()
        total, products, count = total + rows.sum(0), products + rows.T @ rows, count + len(rows)
    mean = total / count
    return products / count - mean[:, None] * mean
