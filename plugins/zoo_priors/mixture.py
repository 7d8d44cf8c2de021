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
    """Compute the log-density in nats (N,) of z (N, D) under K components (K, D) with log-weights (K,)."""
    # The distances are not expanded into a matrix product, which would lose precision for codes far from 0.
    distance = (z.unsqueeze(1) - parts.mean) * (-parts.log_std).exp()
    constant = parts.log_std.sum(1) + z.shape[1] / 2 * math.log(2 * math.pi)
    return torch.logsumexp(log_weight - constant - distance.square().sum(2) / 2, 1)


def draw_mixture(n: int, parts: Posterior, log_weight: Tensor, temperature: float) -> Tensor:
    """Sample vectors (n, D); the temperature scales the standard deviations of the components."""
    chosen = torch.multinomial(log_weight.exp(), n, replacement=True)
    mean, log_std = parts.mean[chosen], parts.log_std[chosen]
    return mean + temperature * log_std.exp() * torch.randn_like(mean)


def pick_mixture(noise: Tensor, parts: Posterior, log_weight: Tensor) -> Tensor:
    """Map standard normal noise (N, D + 1) to vectors (N, D); the last number of a row chooses the component."""
    share = torch.special.ndtr(noise[:, -1:])
    chosen = (share > log_weight.exp().cumsum(0)[:-1]).sum(1)
    return parts.mean[chosen] + parts.log_std[chosen].exp() * noise[:, :-1]


MAX_LOG_STD = 7.0
"""Largest absolute value of a log standard deviation, so that no component collapses to a point."""


class Mixture(VectorPrior):
    """A mixture of K diagonal normal distributions; means, deviations and weights are learnt."""

    def __init__(self, spec: MixtureSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.mean = nn.Parameter(torch.randn(spec.components, code.size))
        self.raw_log_std = nn.Parameter(torch.zeros(spec.components, code.size))
        self.logit = nn.Parameter(torch.zeros(spec.components))

    def parts(self) -> Posterior:
        """Means and log-deviations (K, D)."""
        return Posterior(self.mean, soft_clamp(self.raw_log_std, MAX_LOG_STD))

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return log_mixture(z, self.parts(), self.logit.log_softmax(0))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        return draw_mixture(n, self.parts(), self.logit.log_softmax(0), temperature)

    @property
    def noise_size(self) -> int:
        return self.code.size + 1

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        found = pick_mixture(noise, self.parts(), self.logit.log_softmax(0))
        return found.reshape(noise.shape[0], *self.code.shape)


MARGIN = 0.02
"""Learnt pictures start at least this far from black and white, where their gradients would vanish."""


class Vamp(VectorPrior):
    """A mixture of the posteriors of K learnt pictures (K, C, H, W), whose values a sigmoid keeps in 0..1."""

    def __init__(self, spec: VampSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.components = spec.components
        self.encode: Encode | None = None
        self.logit = nn.Parameter(torch.zeros(spec.components))

    def attach(self, encode: Encode, info: DataInfo) -> None:
        """Keep the encoder, and initialise the pictures with noise of the data's mean and deviation."""
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
        return log_mixture(z, self.parts(), self.log_weight(z))

    def log_weight(self, like: Tensor) -> Tensor:
        """Return the log-weights (K,) of the components, which are all the same."""
        return like.new_full((self.components,), -math.log(self.components))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        parts = self.parts()
        return draw_mixture(n, parts, self.log_weight(parts.mean), temperature)

    @property
    def noise_size(self) -> int:
        return self.code.size + 1

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        parts = self.parts()
        found = pick_mixture(noise, parts, self.log_weight(parts.mean))
        return found.reshape(noise.shape[0], *self.code.shape)
