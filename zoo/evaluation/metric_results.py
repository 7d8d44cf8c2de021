"""Compute metric kinds, whose failures and odd results cost nothing but themselves."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from math import isfinite
from typing import Any, NamedTuple

from zoo.core.errors import one_line
from zoo.evaluation.evaluation import Evaluation
from zoo.registry.catalog import catalog
from zoo.registry.entry import Entry
from zoo.registry.kinds import Outputs
from zoo.registry.plugins.blocklist import OWN


class MetricResults(NamedTuple):
    """Results of the metric kinds: numbers, more detailed results, and one line for each kind that failed."""

    metrics: dict[str, float]
    details: dict[str, Any]
    problems: list[str]
    kinds: dict[str, list[str]]
    """Names of the numbers of each metric kind."""
    requested: list[str]
    """The metric kinds that the user asked for, and those of other plugins that the entry uses."""
    unrequested: list[str]
    """The metric kinds of plugins that the entry does not use and that the user did not ask for."""


def compute_metrics(
    found: Outputs, entry: Entry | None = None, requested: Collection[str] = (), only: Collection[str] = ()
) -> MetricResults:
    """Compute metric kinds from the outputs of a model of an entry: all of them, or `only` some."""
    result = MetricResults(dict(found.means), {}, [], {}, [], [])
    used = {OWN, *(part.plugin.distribution for part in (entry.components.values() if entry else ()))}
    named = {name.rpartition(":")[2] for name in requested}
    for name in catalog().names("metric"):
        if only and name not in only:
            continue
        source = ""
        try:
            plugin, kind = catalog().find("metric", name)
            source = f" of {plugin}"
            applies = entry is None or kind.data in ("", entry.data.name)
            values = check_results((kind.compute(kind.spec(), found) if applies else None) or {}, taken(result))
        except Exception as error:  # a failing plugin must not cost the others' metrics
            text = f"metric {name!r}{source} failed: {type(error).__name__}: {error}"
            result.problems.append(one_line(text))
            continue
        for key in [key for key, value in values.items() if isinstance(value, float) and not isfinite(value)]:
            result.problems.append(f"metric {name!r}{source}: {key} is {values.pop(key)}, so it is left out")
        result.kinds[name] = [key for key, value in values.items() if isinstance(value, int | float)]
        if name in named or plugin.distribution in used - {OWN}:
            result.requested.append(name)
        elif result.kinds[name] and entry is not None and plugin.distribution != OWN:
            result.unrequested.append(name)
        for key, value in values.items():
            (result.metrics if isinstance(value, int | float) else result.details)[key] = value
    return result


def taken(result: MetricResults) -> set[str]:
    """Return the names that a metric kind must not give to its results."""
    return {"loss", *result.metrics, *result.details, *(each.name for each in fields(Evaluation))}


def check_results(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return what a metric kind computed, with single numbers of NumPy and torch as Python's.

    Raises ValueError for a name that is taken and for what JSON cannot hold.
    """
    found = {name: plain_number(value) for name, value in values.items()}
    if clash := next((name for name in found if name in names), None):
        raise ValueError(f"its result {clash!r} has the name of another one")
    for name, value in found.items():
        try:
            json.dumps(value)
        except TypeError as error:
            raise ValueError(f"{name} cannot be written as JSON: {error}") from None
    return found


def plain_number(value: Any) -> Any:
    """Convert a single number of NumPy or torch to one of Python, and leave anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
