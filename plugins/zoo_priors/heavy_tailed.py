"""Heavy-tailed priors: Student's t, and a power law over the length of a code."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import CodeInfo
from zoo.models import Exactness, Posterior, Prior, VectorPrior
from zoo_priors.quadrature import normal_expectation
from zoo_priors.scale import Scale
from zoo_priors.spec import PowerLawSpec, StudentTSpec
from zoo_priors.tails import neg_log_erfc


class StudentT(VectorPrior):
    """Base class of Student t priors: independent multivariate t distributions over groups of dimensions."""

    def __init__(self, spec: StudentTSpec, code: CodeInfo, group: int) -> None:
        super().__init__(code)
        self.df, self.group, self.scale = spec.df, group, Scale(spec.scale, spec.learn_scale)

    def energy(self, squares: Tensor) -> Tensor:
        """Compute the negative log-density of groups from their sums of z^2."""
        top = (self.df + self.group) / 2
        constant = math.lgamma(self.df / 2) - math.lgamma(top) + self.group / 2 * math.log(self.df * math.pi)
        inner = torch.log1p(squares / (self.df * self.scale.value().square()))
        return top * inner + constant + self.group * self.scale.log()

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        scale = self.scale.value()
        normal = torch.randn(n, self.code.size // self.group, self.group, device=scale.device)
        half = torch.full_like(normal[..., :1], self.df / 2)
        precision = torch.distributions.Gamma(half, half).sample()
        return temperature * scale * (normal / precision.sqrt()).flatten(1)

    @property
    def noise_size(self) -> int:
        """Numbers of a code, and `df` more for each group; 0 if `df` is not a whole number."""
        groups = self.code.size // self.group
        return self.code.size + groups * int(self.df) if self.df == int(self.df) else 0

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        if not self.noise_size:
            return super().from_noise(noise, condition)
        normal = noise[:, : self.code.size].reshape(noise.shape[0], -1, self.group)
        # A chi-squared variable is a sum of squares of normal ones.
        squares = noise[:, self.code.size :].square().reshape(noise.shape[0], -1, int(self.df))
        codes = self.scale.value() * normal / squares.mean(2, keepdim=True).sqrt()
        return codes.reshape(noise.shape[0], *self.code.shape)


class Factorised(StudentT):
    """Independent t distributions in all dimensions."""

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z.square()).sum(1)

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        return normal_expectation(lambda z: self.energy(z.square()), q.mean, q.log_std).sum(1), "quadrature"


class Multivariate(StudentT):
    """One isotropic t distribution of the whole code (as in t3VAE, Kim et al. 2023, arXiv:2312.01133)."""

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return -self.energy(z.square().sum(1))

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        """Bound the cross-entropy by Jensen's inequality: the log of the mean of |z|^2, not the mean of the log.

        It equals the bound with an auxiliary Gamma variable for the scale, so the ELBO remains a lower bound.
        """
        return self.energy((q.mean.square() + (2 * q.log_std).exp()).sum(1)), "upper bound"


def build_student_t(spec: StudentTSpec, code: CodeInfo) -> Prior:
    """Build the form of Student t prior that the options ask for."""
    return Multivariate(spec, code, code.size) if spec.form == "multivariate" else Factorised(spec, code, 1)


class PowerLaw(VectorPrior):
    """The isotropic density (1 + |z| / scale)^-(alpha + D) / Z; |z| / scale is beta prime distributed."""

    def __init__(self, spec: PowerLawSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.alpha = spec.alpha
        scale = typical_scale(spec.alpha, code.size) if spec.scale is None else spec.scale
        self.scale = Scale(scale, spec.learn_scale)

    def energy(self, length: Tensor) -> Tensor:
        """Compute the negative log-density (N,) from |z| (N,)."""
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

    @property
    def noise_size(self) -> int:
        """Twice the numbers of a code, and `alpha` more; 0 if `alpha` is not a whole number."""
        return 2 * self.code.size + int(self.alpha) if self.alpha == int(self.alpha) else 0

    def from_noise(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        if not self.noise_size:
            return super().from_noise(noise, condition)
        d = self.code.size
        # A Gamma variable with a whole shape is a sum of exponential ones.
        exponential = neg_log_erfc(noise[:, d:].abs())
        length = exponential[:, :d].sum(1, keepdim=True) / exponential[:, d:].sum(1, keepdim=True)
        return (self.scale.value() * length * F.normalize(noise[:, :d], dim=1)).reshape(
            noise.shape[0], *self.code.shape
        )

    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        """Bound the cross-entropy by Jensen's inequality, from the root mean square of |z|."""
        return self.energy((q.mean.square() + (2 * q.log_std).exp()).sum(1).sqrt()), "upper bound"


def typical_scale(alpha: float, d: int) -> float:
    """Compute the scale for which the median length is about that of a standard normal code, sqrt(d).

    The median of a Gamma variable is about 1/3 below its shape.
    """
    return math.sqrt(d) * (alpha - 1 / 3) / (d - 1 / 3)
