"""A learnt mixture of normal distributions as a prior (as in Dilokthanakul et al. 2016, arXiv:1611.02648)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo.models import Posterior, VectorPrior
from zoo_priors.gaussians import draw_mixture, log_mixture
from zoo_priors.scale import bounded
from zoo_priors.spec import MixtureSpec

SPAN = 7.0
"""The logarithm of a deviation stays within this of 0, so that no part can collapse onto a point."""


class Mixture(VectorPrior):
    """K normal distributions with independent parts; means, deviations and weights are learnt."""

    def __init__(self, spec: MixtureSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.mean = nn.Parameter(torch.randn(spec.components, code.size))
        self.raw_log_std = nn.Parameter(torch.zeros(spec.components, code.size))
        self.logit = nn.Parameter(torch.zeros(spec.components))

    def parts(self) -> Posterior:
        """Means and log-deviations (K, D)."""
        return Posterior(self.mean, bounded(self.raw_log_std, SPAN))

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return log_mixture(z, self.parts(), self.logit.log_softmax(0))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        return draw_mixture(n, self.parts(), self.logit.log_softmax(0), temperature)
