"""What varies in a comparison: `key=a,b,c` on a command line is an axis, and every combination a variant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from zoo.core.errors import ZooError
from zoo.core.yaml import BRACKETS
from zoo.registry.raw_entry import read_override

TOKEN = re.compile(r"""(?<![^\s\[{,:])(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*')|.""", re.DOTALL)
"""A quoted text where one may begin, or a character."""
Values = dict[str, str]
"""What a variant sets, as it is typed, by dotted option."""


@dataclass(frozen=True)
class Axes:
    """The options that overrides set, with one value or several, in the order in which they were last set."""

    entry: str
    options: dict[str, list[str]]

    @classmethod
    def of(cls, entry: str, overrides: Iterable[str]) -> Axes:
        """Read them; of two for the same option the later holds. ZooError where nothing varies."""
        options: dict[str, list[str]] = {}
        for text in overrides:
            key, equals, value = text.partition("=")
            values = split(value)
            for each in values:
                read_override(entry, f"{key}{equals}{each}")
            if len(values) > 1 and not all(values):
                raise ZooError(f"{text[:80]!r} has an empty value", 'write key=a,b for two values, "" for no text')
            options.pop(key.strip(), None)
            options[key.strip()] = values
        axes = cls(entry, options)
        if not axes.varying:
            raise ZooError("nothing varies", "give an option several values, as in model.norm=before,after")
        if "train.seed" in axes.varying:
            raise ZooError("the seed is no option to compare", "say how many there are with --seeds, as in --seeds 3")
        return axes

    @property
    def varying(self) -> dict[str, list[str]]:
        """The options with several values."""
        return {key: values for key, values in self.options.items() if len(values) > 1}

    @property
    def fixed(self) -> list[str]:
        """The overrides that all variants have in common."""
        return [f"{key}={values[0]}" for key, values in self.options.items() if len(values) == 1]

    @property
    def variants(self) -> list[Values]:
        """Every combination; the last axis varies fastest."""
        return [dict(zip(self.varying, chosen, strict=True)) for chosen in product(*self.varying.values())]

    def overrides(self, variant: Values) -> list[str]:
        """All overrides of a variant."""
        return [f"{key}={variant.get(key, values[0])}" for key, values in self.options.items()]

    def read(self, key: str, value: str) -> Any:
        """A value as data."""
        return read_override(self.entry, f"{key}={value}")[1]


def title(values: Values) -> str:
    """A variant in a line, `model.norm=before train.lr=0.01`."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def split(text: str) -> list[str]:
    """What stands between the commas of a value, outside of brackets, braces and quotes."""
    found, depth = [""], 0
    for token in TOKEN.findall(text):
        depth = max(0, depth + BRACKETS.get(token, 0))
        if token == "," and not depth:
            found.append("")
        else:
            found[-1] += token
    return [value.strip() for value in found]
