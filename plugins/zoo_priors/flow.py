"""A normalizing flow (Rezende & Mohamed 2015, arXiv:1505.05770) over continuous codes, given the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo.models import Invertible, Term
from zoo_priors.architectures import steps
from zoo_priors.coupling import Step
from zoo_priors.flowspec import FlowSpec


class Flow(Invertible):
    """Maps codes to N(0, I) and back, exactly, in a way that depends on a condition.

    The condition (N, K) tells through a linear map without a bias, so that half one class and half another is the mean
    of both, and no condition is 0.
    """

    conditional = True

    def __init__(self, spec: FlowSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.spec = spec
        self.joint, self.mixup = spec.joint, spec.mixup
        self.multiplies = spec.architecture == "transformer"
        self.steps = nn.ModuleList(steps(spec, code))
        self.conditions = nn.Linear(code.condition, spec.context, bias=False)
        nn.init.normal_(self.conditions.weight)

    @property
    def each(self) -> list[Step]:
        """The steps from codes to the base."""
        return [cast(Step, step) for step in self.steps]

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u = self.vectors(code)
        context, total = self.context(u, condition), u.new_zeros(len(u))
        if self.training:
            context = context * (torch.rand(len(u), 1, device=u.device) >= self.spec.label_dropout)
        for step in self.each:
            u, log_det = step.to_base(u, context)
            total = total + log_det
        return u, total

    def from_base(self, u: Tensor, terms: Sequence[Term]) -> Tensor:
        contexts = [(term.weight, self.context(u, term.condition)) for term in terms]
        for step in reversed(self.each):
            u = step.from_base(u, contexts)
        return u.reshape(len(u), *self.code.shape)

    def context(self, like: Tensor, condition: Tensor | None) -> Tensor:
        """What tells the condition, (N, context)."""
        if condition is None:
            condition = like.new_zeros(len(like), self.code.condition)
        found: Tensor = self.conditions(condition.to(like))
        return found
