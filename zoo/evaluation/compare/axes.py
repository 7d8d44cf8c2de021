"""Axes of a comparison: `key=a,b,c` is an axis, and every combination of values a variant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from zoo.core.errors import ZooError
from zoo.core.yaml import BRACKETS
from zoo.registry.overrides import read_override
from zoo.registry.raw_entry import RawEntry

TOKEN = re.compile(r"""(?<![^\s\[{,:])(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*')|.""", re.DOTALL)
"""A quoted string where one may start, or a single character."""
Values = dict[str, str]
"""The values of a variant as typed, by dotted option."""


@dataclass(frozen=True)
class Axes:
    """Options with one value or several, in the order in which they were last set."""

    entry: str
    options: dict[str, list[str]]

    @classmethod
    def of(cls, entry: str, overrides: Iterable[str], raw: RawEntry | None = None, *, alone: bool = False) -> Axes:
        """Parse overrides; the last one of an option wins. ZooError if nothing varies, unless the entry may be `alone`.

        `raw` is the entry, from which errors propose options.
        """
        options: dict[str, list[str]] = {}
        for text in overrides:
            key, equals, value = text.partition("=")
            values = split_values(value)
            if len(values) > 1 and not all(values):
                raise ZooError(
                    f"{text[:80]!r} has an empty value", 'write key=a,b for two values, "" for an empty text'
                )
            for each in values:
                read_override(raw or RawEntry(entry, {}, {}), f"{key}{equals}{each}")
            options.pop(key.strip(), None)
            options[key.strip()] = values
        axes = cls(entry, options)
        if not axes.varying and not alone:
            raise ZooError("nothing varies", "give an option several values, e.g. model.norm=before,after")
        if "train.seed" in axes.varying:
            raise ZooError("the seed cannot be varied", "set the number of seeds with --seeds, e.g. --seeds 3")
        return axes

    @property
    def varying(self) -> dict[str, list[str]]:
        """The options with several values."""
        return {key: values for key, values in self.options.items() if len(values) > 1}

    @property
    def fixed(self) -> list[str]:
        """The overrides that all variants share."""
        return [f"{key}={values[0]}" for key, values in self.options.items() if len(values) == 1]

    @property
    def variants(self) -> list[Values]:
        """Every combination of values; the last axis varies fastest."""
        return [dict(zip(self.varying, values, strict=True)) for values in product(*self.varying.values())]

    def overrides(self, variant: Values) -> list[str]:
        """Overrides of a variant, shared ones included."""
        return [f"{key}={variant.get(key, values[0])}" for key, values in self.options.items()]

    def read(self, key: str, value: str) -> Any:
        """Parse the value of an option."""
        return read_override(RawEntry(self.entry, {}, {}), f"{key}={value}")[1]


def variant_title(values: Values) -> str:
    """One-line name of a variant, e.g. `model.norm=before train.lr=0.01`."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def split_values(text: str) -> list[str]:
    """Split a value at its commas, except those within brackets, braces and quotes."""
    found, depth = [""], 0
    for token in TOKEN.findall(text):
        depth = max(0, depth + BRACKETS.get(token, 0))
        if token == "," and not depth:
            found.append("")
        else:
            found[-1] += token
    return [value.strip() for value in found]
