"""A normalizing flow (Rezende & Mohamed 2015, arXiv:1505.05770) over continuous codes, given the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo
from zoo.core import MissingError, ZooError
from zoo.models import Invertible, Term
from zoo_priors.autoregression import Autoregression, Layout
from zoo_priors.coupling import Centre, Coupling, Exponential, Standardise, Step, Weighted, total
from zoo_priors.spec import FlowSpec
from zoo_priors.tails import Tails


def build_steps(spec: FlowSpec, code: CodeInfo) -> list[Step]:
    """From codes to the base."""
    name, _, part = spec.architecture.partition(":")
    tails: list[Step] = [Tails(code.size)] if spec.tails else []
    if name in {"coupling", "zuko"}:
        first: list[Step] = [*tails, Standardise(code.size, spec.context)]
        if name == "zuko":
            return [*first, Zuko(part, code.size, spec.context, spec.layers, spec.width)]
        return [*first, *(Coupling(code.size, spec.context, spec.width, place) for place in range(spec.layers))]
    # What is the same for every context keeps sums and products of densities what they are.
    first = tails or [Centre(code.size)]
    if name == "linear":
        return [*first, Exponential(code.size, spec.context)]
    return [*first, *autoregressions(spec, Layout.of(code, spec.token))]


def autoregressions(spec: FlowSpec, layout: Layout) -> list[Step]:
    """Steps in turn from the first token and from the last; that next to the base, which draws first, is deep."""
    depths = [1] * (spec.blocks - 1) + [spec.depth]
    return [
        Autoregression(layout, spec.context, spec.width, spec.heads, depth, flip=place % 2 == 1)
        for place, depth in enumerate(depths)
    ]


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
        self.steps = nn.ModuleList(build_steps(spec, code))
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


ZUKO_FLOWS = ("MAF", "NICE", "NSF")
"""Those with a normal base, an exact inverse and the options that are given here."""


class Zuko(Step):
    """The transform of one of zuko's flows, which takes the context as its own."""

    def __init__(self, name: str, size: int, context: int, layers: int, width: int) -> None:
        super().__init__()
        # zuko looks into its masks while it builds, which the meta device has not got.
        with torch.device("cpu"):
            flow = zuko_class(name)(size, context, transforms=layers, hidden_features=(width, width))
        self.transform: nn.Module = flow.transform.to(torch.get_default_device())

    def to_base(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        if z.device.type == "meta":
            return z, z.sum(1)
        u, log_det = self.transform(context).call_and_ladj(z)
        return u, log_det

    def from_base(self, u: Tensor, contexts: Sequence[Weighted]) -> Tensor:
        z: Tensor = self.transform(total(contexts)).inv(u)
        return z


def zuko_class(name: str) -> Any:
    """The class of zuko's flow; MissingError without zuko, ZooError where the name is not one of NAMES."""
    if name not in ZUKO_FLOWS:
        raise ZooError(f"the prior flow has no architecture zuko:{name}", f"choose {', '.join(ZUKO_FLOWS)}")
    try:
        import zuko
    except ImportError as error:
        raise MissingError(
            f"the architecture zuko:{name} needs {error.name}", 'pip install "pixel-zoo[zuko]"'
        ) from error
    return getattr(zuko.flows, name)
