"""Mixtures of normal distributions as priors: with learnt components, or the posteriors of learnt pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo import CodeInfo, DataInfo
from zoo.core import ZooError
from zoo.models import Encode, Posterior, VectorPrior
from zoo_priors.scale import soft_clamp
from zoo_priors.spec import MixtureSpec, VampSpec


def log_mixture(z: Tensor, parts: Posterior, log_weight: Tensor) -> Tensor:
    """Log-density in nats (N,) of z (N, D) under K parts (K, D) with log-weights (K,)."""
    # The distances are not expanded into a matrix product: it would lose the digits of codes far out.
    distance = (z.unsqueeze(1) - parts.mean) * (-parts.log_std).exp()
    constant = parts.log_std.sum(1) + z.shape[1] / 2 * math.log(2 * math.pi)
    return torch.logsumexp(log_weight - constant - distance.square().sum(2) / 2, 1)


def draw_mixture(n: int, parts: Posterior, log_weight: Tensor, temperature: float) -> Tensor:
    """Vectors (n, D): the parts by their weights, and within a part narrower for lower temperatures."""
    chosen = torch.multinomial(log_weight.exp(), n, replacement=True)
    mean, log_std = parts.mean[chosen], parts.log_std[chosen]
    return mean + temperature * log_std.exp() * torch.randn_like(mean)


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
        return Posterior(self.mean, soft_clamp(self.raw_log_std, SPAN))

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return log_mixture(z, self.parts(), self.logit.log_softmax(0))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        return draw_mixture(n, self.parts(), self.logit.log_softmax(0), temperature)


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
            raise ZooError("the vamp prior needs a model to encode its pictures; call `attach` first")
        mean, log_std = self.encode(self.logit.sigmoid())
        return Posterior(self.vectors(mean), self.vectors(log_std))

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return log_mixture(z, self.parts(), z.new_full((self.components,), -math.log(self.components)))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        parts = self.parts()
        weight = parts.mean.new_full((self.components,), -math.log(self.components))
        return draw_mixture(n, parts, weight, temperature)
