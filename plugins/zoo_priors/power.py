"""A power law over the length of a code: P(|z| > R) falls like R^-alpha in any number of dimensions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import CodeInfo
from zoo.models import Exactness, Posterior, VectorPrior
from zoo_priors.scale import Scale
from zoo_priors.spec import PowerLawSpec


class PowerLaw(VectorPrior):
    """Density (1 + |z| / scale)^-(alpha + D) / Z: |z| / scale is beta prime distributed, every direction as likely."""

    def __init__(self, spec: PowerLawSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.alpha = spec.alpha
        scale = typical(spec.alpha, code.size) if spec.scale is None else spec.scale
        self.scale = Scale(scale, spec.learn_scale)

    def energy(self, length: Tensor) -> Tensor:
        """-log_density (N,) from |z| (N,)."""
        d, alpha = self.code.size, self.alpha
        sphere = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
        constant = sphere + math.lgamma(d) + math.lgamma(alpha) - math.lgamma(d + alpha)
        return (alpha + d) * torch.log1p(length / self.scale.value()) + constant + d * self.scale.log()

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(torch.linalg.vector_norm(z, dim=1))

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        direction = F.normalize(torch.randn(n, self.code.size, device=scale.device), dim=1)
        one = torch.ones(n, 1, device=scale.device)
        above, below = (torch.distributions.Gamma(shape * one, one).sample() for shape in (self.code.size, self.alpha))
        return temperature * scale * direction * above / below

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        """By Jensen's inequality, from the root mean square of |z|."""
        return self.energy((q.mean.square() + (2 * q.log_std).exp()).sum(1).sqrt()), "upper bound"


def typical(alpha: float, d: int) -> float:
    """The scale by which the median length is about that of a standard normal code, sqrt(d).

    The median of a Gamma variable is about 1/3 below its shape.
    """
    return math.sqrt(d) * (alpha - 1 / 3) / (d - 1 / 3)
