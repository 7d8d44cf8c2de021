"""The VampPrior (Tomczak & Welling 2017, arXiv:1705.07120): what the encoder believes of a few learnt pictures.

The pictures go through the model's own encoder, which `attach` hands over. Learnt posteriors in the space of codes
would need no encoder, but they would be the mixture under another name: that the prior follows the encoder wherever it
moves is the point of this one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo import CodeInfo, DataInfo
from zoo.core import ZooError
from zoo.models import Encode, Posterior, VectorPrior
from zoo_priors.gaussians import draw_mixture, log_mixture
from zoo_priors.spec import VampSpec

MARGIN = 0.02
"""Learnt pictures start at least this far from black and white, where their gradients would vanish."""


class Vamp(VectorPrior):
    """The mean of the posteriors of K learnt pictures (K, C, H, W), whose values a sigmoid keeps in 0..1."""

    def __init__(self, spec: VampSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.components = spec.components
        self.encode: Encode | None = None
        self.logit = nn.Parameter(torch.zeros(spec.components))

    def attach(self, encode: Encode, info: DataInfo) -> None:
        """Keep the encoder, and begin with noise that has the pictures' mean and deviation."""
        self.encode = encode
        mean, std = (torch.tensor(part, device=self.logit.device).view(-1, 1, 1) for part in (info.mean, info.std))
        noise = torch.randn(self.components, *info.shape, device=self.logit.device)
        self.logit = nn.Parameter((mean + std * noise).logit(MARGIN))

    def parts(self) -> Posterior:
        """Means and log-deviations (K, D)."""
        if self.encode is None:
            raise ZooError("the vamp prior encodes pictures, so it needs a model; call its `attach` first")
        mean, log_std = self.encode(self.logit.sigmoid())
        return Posterior(self.vectors(mean), self.vectors(log_std))

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return log_mixture(z, self.parts(), z.new_full((self.components,), -math.log(self.components)))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        parts = self.parts()
        weight = parts.mean.new_full((self.components,), -math.log(self.components))
        return draw_mixture(n, parts, weight, temperature)
