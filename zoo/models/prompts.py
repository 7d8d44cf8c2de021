"""Parse prompts: weighted sums of texts such as `cat + tree`, `0.7 cat + 0.3 truck` or `cat - 0.5 dog`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from zoo.core.errors import ZooError

MAX_PROMPT_LENGTH = 1000
"""Largest number of characters in a prompt."""
MAX_WEIGHT = 1e6
"""Largest weight in a prompt, positive or negative."""
MINUS_SIGNS = "-\u2212\u2013"
SIGN = re.compile(rf"\s*\+\s*(?:[{MINUS_SIGNS}]\s*)?|(?:^|\s+)[{MINUS_SIGNS}]\s*")
"""A plus, a minus or both; a minus inside a word is a hyphen."""
QUOTED = re.compile(r'"[^"]*"')
WEIGHT_AND_TEXT = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\*\s*|\s)(\S.*)", re.DOTALL)


class Part(NamedTuple):
    """A text of a prompt and its weight."""

    weight: float
    text: str


def parse_prompt(prompt: str, known: Sequence[str] = (), numbers: Sequence[str] = ()) -> list[Part]:
    """Split a prompt into texts and their weights, scaled so that the positive ones sum to 1.

    Names that are `known` are kept whole even if they contain signs or numbers, and so are texts in double quotes.
    `numbers` are known words, which are a weight only before a star, as in "2 * cats".

    Raises ZooError for a prompt without a text, or without a positive weight.
    """
    if prompt.strip() in known:
        return [Part(1.0, prompt.strip())]
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise ZooError(
            f"the prompt is too long: {len(prompt):,} characters", f"at most {MAX_PROMPT_LENGTH:,} are allowed"
        )
    parts = [parse_part(sign, text, known, numbers) for sign, text in split_signs(prompt, known)]
    if not all(part.text for part in parts):
        hint = 'write e.g. "cat + truck" or "0.7 cat + 0.3 truck"'
        raise ZooError(f"part of the prompt {prompt[:80]!r} has no text", hint)
    if any(abs(part.weight) > MAX_WEIGHT for part in parts):
        raise ZooError(f"a weight in the prompt {prompt[:80]!r} is too large", f"at most {MAX_WEIGHT:,.0f}")
    total = sum(max(part.weight, 0.0) for part in parts)
    if not total:
        raise ZooError(f"nothing in the prompt {prompt[:80]!r} has a weight above 0", 'write e.g. "cat - 0.5 dog"')
    return [Part(part.weight / total, part.text) for part in parts]


def split_signs(prompt: str, known: Sequence[str]) -> list[tuple[float, str]]:
    """Split a prompt at its signs: 1.0 or -1.0 and a text each; known names with signs, and quotes, are kept whole."""
    names = [re.escape(name) for name in sorted(known, key=len, reverse=True) if SIGN.search(name)]
    pattern = f"(?P<name>{'|'.join([QUOTED.pattern, *names])})|(?P<sign>{SIGN.pattern})"
    signs = re.finditer(pattern, prompt, re.IGNORECASE)
    found, start, sign = [], 0, 1.0
    for match in signs:
        if match["sign"] is None:
            continue
        if prompt[: match.start()].strip() or "+" in match["sign"]:
            found.append((sign, prompt[start : match.start()].strip()))
        start, sign = match.end(), -1.0 if set(MINUS_SIGNS) & set(match["sign"]) else 1.0
    return [*found, (sign, prompt[start:].strip())]


def parse_part(sign: float, text: str, known: Sequence[str], numbers: Sequence[str] = ()) -> Part:
    """Split a leading weight from a text; a bare number is a text, such as the class 3 of digits."""
    if text in known:
        return Part(sign, text)
    if not (match := WEIGHT_AND_TEXT.fullmatch(text)) or (match[1] in numbers and "*" not in match[2]):
        return Part(sign, unquote(text))
    number, star, rest = match[1], match[2].strip(), match[3].strip()
    if number in known and not star:
        hint = f'write "{number} * {rest}" or "{number} + {rest}"'
        raise ZooError(f"{text[:80]!r} is ambiguous: a weight and a text, or two texts?", hint)
    return Part(sign * float(number), unquote(rest))


def unquote(text: str) -> str:
    """Return a text without the double quotes around it."""
    return text[1:-1].strip() if QUOTED.fullmatch(text) else text
