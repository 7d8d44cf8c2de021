"""The steps of each architecture of the prior `flow`."""

from __future__ import annotations

from zoo import CodeInfo
from zoo_priors.autoregression import Autoregression, Layout
from zoo_priors.coupling import Coupling, Standardise, Step
from zoo_priors.flowspec import FlowSpec
from zoo_priors.matrix import Centre, Exponential
from zoo_priors.tails import Tails
from zoo_priors.zukoflow import Zuko


def steps(spec: FlowSpec, code: CodeInfo) -> list[Step]:
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
