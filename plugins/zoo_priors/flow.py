"""A normalizing flow (Rezende & Mohamed 2015, arXiv:1505.05770) over continuous codes, given a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo.core import MissingError, ZooError
from zoo.models import Invertible, Term
from zoo_priors.autoregression import Autoregression, Layout
from zoo_priors.coupling import Centre, Coupling, Exponential, Standardise, Step, Weighted, weighted_sum
from zoo_priors.spec import FlowSpec
from zoo_priors.spline import SplineCoupling
from zoo_priors.tails import Tails


def build_steps(spec: FlowSpec, code: CodeInfo) -> list[Step]:
    """Build the steps from codes to the base."""
    name, _, part = spec.architecture.partition(":")
    tails: list[Step] = [Tails(code.size)] if spec.tails else []
    if name in {"coupling", "spline", "zuko"}:
        first: list[Step] = [*tails, Standardise(code.size, spec.context)]
        if name == "zuko":
            return [*first, Zuko(part, code.size, spec.context, spec.layers, spec.width)]
        coupling = SplineCoupling if name == "spline" else Coupling
        return [*first, *(coupling(code.size, spec.context, spec.width, index) for index in range(spec.layers))]
    # A first step that ignores the context preserves products of densities.
    first = tails or [Centre(code.size)]
    if name == "linear":
        return [*first, Exponential(code.size, spec.context)]
    return [*first, *autoregressions(spec, Layout.of(code, spec.token))]


def autoregressions(spec: FlowSpec, layout: Layout) -> list[Step]:
    """Build autoregressive steps, alternately from the first and from the last token.

    The step next to the base, which samples first, has more layers.
    """
    depths = [1] * (spec.blocks - 1) + [spec.depth]
    return [
        Autoregression(layout, spec.context, spec.width, spec.heads, depth, flip=index % 2 == 1)
        for index, depth in enumerate(depths)
    ]


class Flow(Invertible):
    """A normalizing flow: an exactly invertible map from codes to N(0, I) that depends on a condition.

    The context of a condition (N, K) is linear in it, without a bias: half one class and half another has the mean of
    their contexts, and no condition has the context 0.
    """

    conditional = True

    def __init__(self, spec: FlowSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.spec = spec
        self.joint, self.mixup = spec.joint, spec.mixup
        self.multiplies = spec.architecture == "transformer"
        self.steps = nn.ModuleList(build_steps(spec, code))
        self.conditions = nn.Linear(code.condition, spec.context, bias=False)
        nn.init.normal_(self.conditions.weight)

    @property
    def typed_steps(self) -> list[Step]:
        """The steps from codes to the base, typed as `Step`."""
        return [cast(Step, step) for step in self.steps]

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u = self.vectors(code)
        context, total = self.context(u, condition), u.new_zeros(u.shape[0])
        if self.training:
            context = context * (torch.rand(u.shape[0], 1, device=u.device) >= self.spec.label_dropout)
        for step in self.typed_steps:
            u, log_det = step.to_base(u, context)
            total = total + log_det
        return u, total

    def from_base(self, u: Tensor, terms: Sequence[Term]) -> Tensor:
        contexts = [(term.weight, self.context(u, term.condition)) for term in terms]
        for step in reversed(self.typed_steps):
            u = step.from_base(u, contexts)
        return u.reshape(u.shape[0], *self.code.shape)

    def context(self, like: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the context (N, context) of a condition."""
        if condition is None:
            condition = like.new_zeros(like.shape[0], self.code.condition)
        found: Tensor = self.conditions(condition.to(like))
        return found


ZUKO_CLASSES = ("MAF", "NICE", "NSF")
"""Flows of zuko that have a normal base, an exact inverse and the options set here."""


class Zuko(Step):
    """The transform of one of zuko's flows, with the same context."""

    def __init__(self, name: str, size: int, context: int, layers: int, width: int) -> None:
        super().__init__()
        # zuko reads the values of its masks while it builds, which is impossible on the meta device.
        with torch.device("cpu"):
            flow = zuko_class(name)(size, context, transforms=layers, hidden_features=(width, width))
        self.transform: nn.Module = flow.transform.to(torch.get_default_device())

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        if z.device.type == "meta":
            return z, z.sum(1)
        u, log_det = self.transform(context).call_and_ladj(z)
        return u, log_det

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        z: Tensor = self.transform(weighted_sum(contexts)).inv(u)
        return z


def zuko_class(name: str) -> Any:
    """Return a class of zuko.

    Raises MissingError without zuko, ZooError if the name is not in ZUKO_CLASSES.
    """
    if name not in ZUKO_CLASSES:
        raise ZooError(f"the prior flow has no architecture zuko:{name}", f"choose {', '.join(ZUKO_CLASSES)}")
    try:
        import zuko
    except ImportError as error:
        raise MissingError(
            f"the architecture zuko:{name} needs {error.name}", 'pip install "pixel-zoo[zuko]"'
        ) from error
    return getattr(zuko.flows, name)
