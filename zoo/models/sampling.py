"""How a generator draws for prompts: what its prior is told, and how the parts of a prompt come together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.models.generator import Generator, apply_guidance
from zoo.models.prior import Term
from zoo.models.prompts import parse_prompt

DECODE_BATCH = 256
"""Pictures that are decoded at a time."""
MAX_STRENGTH = 100
"""Largest guidance or strength."""
Rule = Literal["sum", "product"]
"""How the parts of a prompt come together: their conditions are added, or, number by number as they are drawn, the
densities given each are multiplied."""


class SamplingOptions(NamedTuple):
    """Seed, temperature, guidance and mixing rule of a draw."""

    seed: int = 0
    temperature: float = 1.0
    guidance: float = 0.0
    rule: Rule = "sum"

    def non_default(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, by name."""
        return {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}

    def check(self, model: Generator, name: str, prior: str) -> None:
        """Raise ZooError for values out of range, or that the prior of the run cannot follow."""
        if not 0 < self.temperature < math.inf:
            raise ZooError(f"the temperature must be above 0, got {self.temperature}")
        if not 0 <= self.seed < 2**63:
            raise ZooError(f"the seed must be a whole number from 0 to {2**63 - 1}, got {self.seed}")
        check_strength(self.guidance, "guidance")
        if self.rule not in get_args(Rule):
            raise ZooError(f"no way to mix {self.rule!r}", f"choose {' or '.join(get_args(Rule))}")
        if (self.guidance or self.rule == "product") and not model.prior.conditional:
            raise ZooError(
                f"{name} is drawn from as it is: its prior {prior!r} takes no text", "leave --guidance and --mix out"
            )
        if self.rule == "product" and not model.prior.multiplies:
            advice = "leave --mix out, or train one with prior.architecture=transformer"
            raise ZooError(f"the prior of {name} adds conditions and knows no products", advice)


DEFAULT_SAMPLING = SamplingOptions()


def check_strength(value: float, what: str) -> None:
    """Raise ZooError for a factor that leads to no picture."""
    if not abs(value) <= MAX_STRENGTH:
        raise ZooError(
            f"the {what} must be a number from -{MAX_STRENGTH} to {MAX_STRENGTH}, got {value}", "0 and 1 are usual"
        )


def encode_prompt(model: Generator, prompt: str) -> list[Term]:
    """What the prior is told of each part of a prompt, (1, K), and its weight."""
    parts = parse_prompt(prompt, [name for names in model.info.names for name in names])
    told = model.text.encode([part.text for part in parts])
    return [Term(part.weight, row[None]) for part, row in zip(parts, told, strict=True)]


def scale_weights(terms: Sequence[Term], share: float) -> list[Term]:
    """The terms with all weights multiplied."""
    return [Term(weight * share, condition) for weight, condition in terms]


def combine_conditions(told: Sequence[Sequence[Term]], chosen: Sequence[int], rule: Rule) -> list[list[Term]]:
    """Products to draw from, their conditions (N, K): all pictures at once, or those of each prompt where it has many.

    `chosen` are the prompts of the pictures, in their order.
    """
    if rule == "product":
        counts = [(parts, chosen.count(index)) for index, parts in enumerate(told)]
        return [[Term(weight, require_condition(c).expand(n, -1)) for weight, c in parts] for parts, n in counts if n]
    sums = torch.cat([torch.stack([weight * require_condition(c) for weight, c in parts]).sum(0) for parts in told])
    return [[Term(1.0, sums[list(chosen)])]]


def require_condition(condition: Tensor | None) -> Tensor:
    """The condition (1, K) of a part of a prompt."""
    assert condition is not None
    return condition


def picture_count(terms: Sequence[Term], default: int) -> int:
    """How many pictures the conditions of a product are for; `default` where it has none."""
    return next((len(condition) for _, condition in terms if condition is not None), default)


def sample_images(model: Generator, terms: Sequence[Term], n: int, options: SamplingOptions) -> Tensor:
    """`n` pictures float32 (n, C, H, W) on the CPU, at most 256 of them at a time."""
    parts = []
    for start in range(0, n, DECODE_BATCH):
        some = slice(start, min(start + DECODE_BATCH, n))
        part = [Term(weight, None if c is None else c[some]) for weight, c in terms]
        parts.append(
            to_images(model.blend(some.stop - some.start, apply_guidance(part, options.guidance), options.temperature))
        )
    return torch.cat(parts)


def decode_images(model: Generator, code: Tensor) -> Tensor:
    """What codes (N, *shape) decode to, float32 (N, C, H, W) on the CPU, at most 256 of them at a time."""
    return torch.cat([to_images(model.codec.decode(part)) for part in torch.split(code, DECODE_BATCH)])


def to_images(shown: Tensor) -> Tensor:
    """Decoded pictures as float32 with values 0..1 on the CPU; a code far out may overflow, which is shown black."""
    return shown.float().nan_to_num(nan=0.0).clamp(0, 1).cpu()
