"""Prompts: texts with weights, as `cat`, `cat + tree`, `0.7 cat + 0.3 truck` or `cat - 0.5 dog`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from zoo.core.errors import ZooError

MAX_PROMPT_LENGTH = 1000
"""Characters of a prompt."""
MAX_WEIGHT = 1e6
"""Largest weight."""
MINUS_SIGNS = "-\u2212\u2013"
SIGN = re.compile(rf"\s*\+\s*(?:[{MINUS_SIGNS}]\s*)?|(?:^|\s+)[{MINUS_SIGNS}]\s*")
"""Plus, minus or both; a minus within a word is a hyphen."""
WEIGHT_AND_TEXT = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\*\s*|\s)(\S.*)", re.DOTALL)


class Part(NamedTuple):
    """A text and how much of it there is to be."""

    weight: float
    text: str


def parse_prompt(prompt: str, known: Sequence[str] = ()) -> list[Part]:
    """The parts of a prompt; names that are `known` are texts even where they hold signs or numbers.

    Weights count relative to each other: those above 0 come to sum to 1. Raises ZooError for a prompt without a text,
    or with none above 0.
    """
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise ZooError(f"the prompt has {len(prompt):,} characters", f"at most {MAX_PROMPT_LENGTH:,} are read")
    if prompt.strip() in known:
        return [Part(1.0, prompt.strip())]
    parts = [parse_part(sign, text, known) for sign, text in split_signs(prompt, known)]
    if not all(part.text for part in parts):
        raise ZooError(f"the prompt {prompt[:80]!r} lacks a text", 'as in "cat + truck" or "0.7 cat + 0.3 truck"')
    if any(abs(part.weight) > MAX_WEIGHT for part in parts):
        raise ZooError(f"a weight in the prompt {prompt[:80]!r} is too large", f"at most {MAX_WEIGHT:,.0f}")
    total = sum(max(part.weight, 0.0) for part in parts)
    if not total:
        raise ZooError(f"nothing in the prompt {prompt[:80]!r} has a weight above 0", 'as in "cat - 0.5 dog"')
    return [Part(part.weight / total, part.text) for part in parts]


def split_signs(prompt: str, known: Sequence[str]) -> list[tuple[float, str]]:
    """1 or -1 and what stands between two signs; names that hold signs are left whole."""
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True) if SIGN.search(name))
    pattern = f"(?P<name>{names})|(?P<sign>{SIGN.pattern})" if names else f"(?P<sign>{SIGN.pattern})"
    signs = re.finditer(pattern, prompt, re.IGNORECASE)
    found, start, sign = [], 0, 1.0
    for match in signs:
        if match["sign"] is None:
            continue
        if prompt[: match.start()].strip() or "+" in match["sign"]:
            found.append((sign, prompt[start : match.start()].strip()))
        start, sign = match.end(), -1.0 if set(MINUS_SIGNS) & set(match["sign"]) else 1.0
    return [*found, (sign, prompt[start:].strip())]


def parse_part(sign: float, text: str, known: Sequence[str]) -> Part:
    """A text without its weight; a number alone is a text, as the class 3 of digits is."""
    if text in known or not (match := WEIGHT_AND_TEXT.fullmatch(text)):
        return Part(sign, text)
    number, star, rest = match[1], match[2].strip(), match[3].strip()
    if number in known and not star:
        ways = f'write "{number} * {rest}" or "{number} + {rest}"'
        raise ZooError(f"is {text[:80]!r} so much of one thing, or two?", ways)
    return Part(sign * float(number), rest)
