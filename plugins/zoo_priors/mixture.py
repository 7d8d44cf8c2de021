"""A learnt mixture of normal distributions as a prior (as in Dilokthanakul et al. 2016, arXiv:1611.02648)."""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from zoo import CodeInfo
from zoo.errors import ZooError
from zoo.prior import Posterior, VectorPrior
from zoo_priors.gaussians import draw_mixture, log_mixture
from zoo_priors.scale import bounded, unbounded
from zoo_priors.spec import MixtureSpec

SPAN = 7.0
"""The logarithm of a deviation stays within this of 0, so that no part can collapse onto a point."""
ENOUGH = 10_000
"""Codes that suffice to start from."""


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

    @torch.no_grad()
    def start(self, codes: Tensor, pictures: Tensor | None = None) -> None:
        """Fit the mixture to codes by expectation maximisation."""
        count = len(self.mean)
        if len(codes) < count:
            raise ZooError(f"a mixture of {count} components needs as many codes to start from, got {len(codes)}")
        some = self.vectors(codes)[torch.randperm(len(codes))[:ENOUGH]]
        seed = int(torch.randint(2**31, ()))
        fitted = GaussianMixture(count, covariance_type="diag", reg_covar=1e-4, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.fit(some.cpu().numpy())
        log_std = torch.from_numpy(fitted.covariances_).log() / 2
        self.mean.copy_(torch.from_numpy(fitted.means_))
        self.raw_log_std.copy_(unbounded(log_std, SPAN))
        self.logit.copy_(torch.from_numpy(fitted.weights_).clamp(min=1e-6).log())
