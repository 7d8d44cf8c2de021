"""A normalizing flow (Rezende & Mohamed 2015, arXiv:1505.05770) over continuous codes, given the class."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo, DataInfo
from zoo.errors import ZooError
from zoo.prior import Encode, VectorPrior, precise
from zoo_priors.coupling import Coupling, Standardise, Step
from zoo_priors.flowspec import FlowSpec


class Flow(VectorPrior):
    """Maps codes to N(0, I) and back, exactly, in a way that depends on a condition.

    The condition (N, K) tells through a linear map without a bias, so that half one class and half another is the mean
    of both, and no condition is 0.
    """

    conditional = True

    def __init__(self, spec: FlowSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.spec = spec
        couplings = (Coupling(code.size, spec.context, spec.width, place) for place in range(spec.layers))
        self.steps = nn.ModuleList([Standardise(code.size, spec.context), *couplings])
        self.conditions: nn.Linear | None = None

    def attach(self, encode: Encode, info: DataInfo) -> None:
        """Learn how many classes there are."""
        device = next(self.parameters()).device
        self.conditions = nn.Linear(len(info.classes), self.spec.context, bias=False, device=device)
        nn.init.normal_(self.conditions.weight)

    @property
    def each(self) -> list[Step]:
        """The steps from codes to the base."""
        return [cast(Step, step) for step in self.steps]

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Codes (N, *shape) to vectors (N, D) that follow N(0, I), and log-determinants (N,)."""
        u = self.vectors(code)
        context, total = self.context(u, condition), u.new_zeros(len(u))
        for step in self.each:
            u, log_det = step.to_base(u, context)
            total = total + log_det
        return u, total

    def from_base(self, u: Tensor, condition: Tensor | None = None) -> Tensor:
        """The inverse: vectors (N, D) to codes (N, *shape)."""
        context = self.context(u, condition)
        for step in reversed(self.each):
            u = step.from_base(u, context)
        return u.reshape(len(u), *self.code.shape)

    def context(self, like: Tensor, condition: Tensor | None) -> Tensor:
        """What tells the condition, (N, context); in training that of no condition at times."""
        if self.conditions is None:
            raise ZooError("the flow prior does not know the classes; call its `attach` first")
        if condition is None:
            condition = like.new_zeros(len(like), self.conditions.in_features)
        found: Tensor = self.conditions(condition.to(like))
        if not self.training:
            return found
        return found * (torch.rand(len(like), 1, device=like.device) >= self.spec.label_dropout)

    def log_density(self, z: Tensor, condition: Tensor | None) -> Tensor:
        u, log_det = self.to_base(z, condition)
        return log_det - u.square().sum(1) / 2 - self.code.size / 2 * math.log(2 * math.pi)

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        like = next(self.parameters())
        u = temperature * torch.randn(n, self.code.size, device=like.device, dtype=like.dtype)
        with precise(like.device):
            return self.from_base(u, condition).flatten(1)
