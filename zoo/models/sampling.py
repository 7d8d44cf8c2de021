"""Sample pictures from a generator for prompts, whose parts are combined by a sum or a product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.models.generator import Generator, apply_guidance
from zoo.models.prior import Term
from zoo.models.prompts import Part, parse_prompt

DECODE_BATCH = 256
"""Number of pictures that are decoded at a time."""
MAX_STRENGTH = 100
"""Largest absolute value of guidance and strength."""
Rule = Literal["auto", "sum", "product", "join"]
"""How the parts of a prompt are combined: `sum` adds their conditions; `product` multiplies the conditional densities,
of each number as it is sampled or, in a continuous flow, of whole codes; `join` makes one text of parts of equal
weight, with "and" between them. `auto` is the sum, but where conditions are vectors of single words, whose sum says
nothing, it joins if captions of the training pictures have the word "and" and the weights are equal, or else
multiplies."""


class SamplingOptions(NamedTuple):
    """Seed, temperature, guidance, mixing rule and negative prompt of samples."""

    seed: int = 0
    temperature: float = 1.0
    guidance: float = 0.0
    rule: Rule = "auto"
    negative: str = ""
    """The prompt from which guidance leads away; empty for no text."""

    def non_default(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, by name."""
        return {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}

    def check(self, model: Generator, name: str, prior: str) -> None:
        """Raise ZooError for values that are out of range, or that the prior does not support."""
        if not 0 < self.temperature < math.inf:
            raise ZooError(f"the temperature must be above 0 and finite, got {self.temperature}")
        if not 0 <= self.seed < 2**63:
            raise ZooError(f"the seed must be a whole number from 0 to {2**63 - 1}, got {self.seed}")
        check_strength(self.guidance, "guidance")
        if self.rule not in get_args(Rule):
            raise ZooError(f"unknown mixing rule {self.rule!r}", f"choose {', '.join(get_args(Rule))}")
        if (self.guidance or self.rule == "product") and not model.prior.conditional:
            raise ZooError(f"{name} cannot be guided: its prior {prior!r} takes no text", "drop --guidance and --mix")
        if self.negative and not self.guidance:
            text = "a negative prompt has no effect without guidance, which leads away from it"
            raise ZooError(text, "add --guidance, e.g. --guidance 1")
        if self.rule == "product" and not model.prior.multiplies:
            hint = "drop --mix, or train a model with prior.architecture=matching or transformer"
            raise ZooError(f"the prior of {name} only adds conditions and cannot multiply densities", hint)

    def rule_for(self, model: Generator) -> Rule:
        """Return the rule for conditions of a model: sum or product."""
        if self.rule in ("sum", "product"):
            return self.rule
        return "product" if model.multiplies_prompts else "sum"


DEFAULT_SAMPLING = SamplingOptions()


def check_strength(value: float, what: str) -> None:
    """Raise ZooError unless the value is a number within the allowed range."""
    if not abs(value) <= MAX_STRENGTH:
        raise ZooError(
            f"the {what} must be a number from -{MAX_STRENGTH} to {MAX_STRENGTH}, got {value}", "0 and 1 are usual"
        )


def encode_prompt(model: Generator, prompt: str, rule: Rule = "auto") -> list[Term]:
    """Encode each part of a prompt as a condition (1, K) with its weight."""
    return encode_parts(model, read_parts(model, prompt), rule)


def read_parts(model: Generator, prompt: str) -> list[Part]:
    """Split a prompt into its parts, with the texts and numbers that a model knows."""
    numbers = [word for word in model.info.words if word.isdigit()] if model.reads_captions else []
    known = model.info.examples if model.reads_captions else [name for names in model.info.names for name in names]
    return parse_prompt(prompt, known, numbers)


def encode_parts(model: Generator, parts: Sequence[Part], rule: Rule) -> list[Term]:
    """Encode parts of a prompt as conditions (1, K) with their weights; as one where they are joined.

    Raises ZooError if the rule is `join` and the weights differ.
    """
    if len(parts) > 1 and (rule == "join" or (rule == "auto" and model.joins_prompts)):
        if math.isclose(min(part.weight for part in parts), max(part.weight for part in parts)):
            parts = [Part(1.0, " and ".join(part.text for part in parts))]
        elif rule == "join":
            raise ZooError("texts of different weights cannot be joined", "drop the weights, or choose another --mix")
    conditions = model.text.encode([part.text for part in parts])
    return [Term(part.weight, condition[None]) for part, condition in zip(parts, conditions, strict=True)]


def encode_sum(model: Generator, prompt: str) -> Tensor:
    """Encode a prompt as one condition (1, K): the weighted sum of those of its parts."""
    ((term,),) = combine_conditions([encode_prompt(model, prompt)], [0], "sum")
    return require_condition(term.condition)


def scale_weights(terms: Sequence[Term], share: float) -> list[Term]:
    """Multiply the weights of all terms by a factor."""
    return [Term(weight * share, condition) for weight, condition in terms]


def combine_conditions(prompts: Sequence[Sequence[Term]], indices: Sequence[int], rule: Rule) -> list[list[Term]]:
    """Combine the parts of prompts into products to sample from, with conditions (N, K).

    `indices` holds the prompt of each picture, in order. A sum gives one product for all pictures, the rule `product`
    one for each prompt.
    """
    if rule == "product":
        counts = [(parts, indices.count(index)) for index, parts in enumerate(prompts)]
        return [[Term(weight, require_condition(c).expand(n, -1)) for weight, c in parts] for parts, n in counts if n]
    sums = torch.cat([torch.stack([weight * require_condition(c) for weight, c in parts]).sum(0) for parts in prompts])
    return [[Term(1.0, sums[list(indices)])]]


def require_condition(condition: Tensor | None) -> Tensor:
    """Return the condition (1, K) of a part of a prompt, which is never None."""
    assert condition is not None
    return condition


def picture_count(terms: Sequence[Term], default: int) -> int:
    """Return the number of pictures in the conditions of a product; `default` if it has no conditions."""
    return next((len(condition) for _, condition in terms if condition is not None), default)


def sample_images(model: Generator, terms: Sequence[Term], n: int, options: SamplingOptions) -> Tensor:
    """Sample `n` pictures float32 (n, C, H, W) on the CPU, in batches of at most 256."""
    images, negative = [], encode_sum(model, options.negative) if options.negative else None
    for start in range(0, n, DECODE_BATCH):
        rows = slice(start, min(start + DECODE_BATCH, n))
        part = [Term(weight, None if c is None else c[rows]) for weight, c in terms]
        away = None if negative is None else negative.expand(rows.stop - rows.start, -1)
        guided = apply_guidance(part, options.guidance, away)
        images.append(to_images(model.blend(rows.stop - rows.start, guided, options.temperature)))
    return torch.cat(images)


def decode_images(model: Generator, code: Tensor) -> Tensor:
    """Decode codes (N, *shape) to pictures float32 (N, C, H, W) on the CPU, in batches of at most 256."""
    return torch.cat([to_images(model.codec.decode(part)) for part in torch.split(code, DECODE_BATCH)])


def to_images(decoded: Tensor) -> Tensor:
    """Convert decoded pictures to float32 with values 0..1 on the CPU; overflows to NaN become black."""
    return decoded.float().nan_to_num(nan=0.0).clamp(0, 1).cpu()
