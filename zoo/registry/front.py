"""The front of recorded results: how far a metric gets with few parameters, or after a short training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.files import digest
from zoo.registry.layers import Registry
from zoo.registry.results import current_hash, distinct_rows

COSTS = ("parameters", "minutes")
"""What a result is weighed against."""
SETTINGS = ("guidance", "temperature", "calibration_temperature")
"""How a result may have been measured, beside averaging and its judge."""

OWN_FIGURES = frozenset({"loss", "bound", "distortion", "rate", "mse", "iwae", "iwae_gap", "psnr", "ssim", "accuracy"})
"""Figures of the model itself, which are the same with any judge of its samples."""


@dataclass(frozen=True)
class FrontPoint:
    """A recorded result of an entry on one data set, averaged over seeds."""

    entry: str
    parameters: int
    minutes: float | None
    """Mean minutes of training; None if not recorded."""
    values: tuple[float, ...]
    """The metric for each seed."""
    averaging: str = ""
    """What predictions are averaged over; empty for one deterministic pass."""
    settings: str = ""
    """How it was measured, e.g. "guidance 3"; empty for the defaults."""
    judge: str = ""
    """What judged the samples, in whose features distances are; empty for figures that no judge takes part in."""
    stale: bool = False
    """Whether the entry has changed since."""
    front: tuple[str, ...] = field(default=(), compare=False)
    """The costs of COSTS for which no comparable result is as cheap and better, or as good and cheaper."""

    @property
    def mean(self) -> float:
        """Mean of the metric over the seeds."""
        return fmean(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation over the seeds; None for a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    def cost(self, name: str) -> float | None:
        """Return a cost of COSTS; None if not recorded."""
        return self.parameters if name == "parameters" else self.minutes

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about: dict[str, Any] = {"entry": self.entry, "parameters": self.parameters, "minutes": self.minutes}
        about |= {"mean": self.mean, "std": self.std, "values": list(self.values)}
        return about | {
            "averaging": self.averaging,
            "settings": self.settings,
            "judge": self.judge,
            "stale": self.stale,
            "front": list(self.front),
        }


def front_points(registry: Registry, data: str, metric: str, *, higher: bool) -> list[FrontPoint]:
    """Collect the recorded results on the test split of a data set, cheapest first, and mark the fronts.

    Results with different averaging or judges are not compared: one pass is only weighed against one pass, and a
    distance only against those in the same features. What was measured in another way, such as with other guidance, is
    another point.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in usable_rows(registry.results):
        if row["data"] == data and metric in row["metrics"]:
            how = str(row.get("averaging", "")), settings_of(row), judge_of(row, metric)
            key = (row["entry"], row["of"], str(row["parameters"]), *how)
            groups.setdefault(key, []).append(row)
    hashes = {entry: current_hash(entry, registry) for entry, *_ in groups}
    points = [make_point(rows, metric, hashes[key[0]]) for key, rows in groups.items()]
    marked = [replace(point, front=fronts_of(point, points, higher=higher)) for point in points]
    return sorted(marked, key=lambda point: (point.parameters, point.averaging, point.entry))


def usable_rows(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the different results on a test split that say how large the model is."""
    return [
        row
        for row in distinct_rows(results)
        if row.get("split") == "test" and isinstance(row.get("data"), str) and type(row.get("parameters")) is int
    ]


def make_point(rows: list[dict[str, Any]], metric: str, current: str) -> FrontPoint:
    """Average results that differ in their seed; a seed that was measured again counts with its newest result."""
    newest = list({row.get("seed"): row for row in rows}.values())
    minutes = [found for row in newest if (found := minutes_of(row)) is not None]
    first = newest[0]
    return FrontPoint(
        first["entry"],
        first["parameters"],
        fmean(minutes) if minutes else None,
        tuple(float(row["metrics"][metric]) for row in newest),
        str(first.get("averaging", "")),
        settings_of(first),
        judge_of(first, metric),
        stale=bool(first["of"]) and first["of"] != current,
    )


def settings_of(row: dict[str, Any]) -> str:
    """Describe how a result was measured; empty for the defaults."""
    return ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in SETTINGS if row.get(name))


def judge_of(row: dict[str, Any], metric: str) -> str:
    """Return the name of the judge of a result, without its size; empty for the figures of the model itself."""
    return "" if metric in OWN_FIGURES else str(row.get("judge") or "").partition(" (")[0]


def minutes_of(row: dict[str, Any]) -> float | None:
    """Return the minutes of the training of a result; None if they are not recorded."""
    if isinstance(row.get("seconds"), int | float):
        return float(row["seconds"]) / 60
    return float(row["minutes"]) if isinstance(row.get("minutes"), int | float) else None


def fronts_of(point: FrontPoint, points: list[FrontPoint], *, higher: bool) -> tuple[str, ...]:
    """Return the costs for which no point with the same averaging and judge dominates this one (Pareto)."""
    rivals = [
        other
        for other in points
        if other is not point and (other.averaging, other.judge) == (point.averaging, point.judge)
    ]
    return tuple(cost for cost in COSTS if is_on_front(point, rivals, cost, higher=higher))


def is_on_front(point: FrontPoint, rivals: list[FrontPoint], cost: str, *, higher: bool) -> bool:
    """Return whether no rival is at least as cheap and as good, and one of them strictly."""
    own, sign = point.cost(cost), 1 if higher else -1
    if own is None:
        return False
    for rival in rivals:
        other = rival.cost(cost)
        gain = sign * (rival.mean - point.mean)
        if other is not None and other <= own and gain >= 0 and (other < own or gain > 0):
            return False
    return True


def choose_data(registry: Registry, data: str | None, metric: str) -> tuple[str, list[str]]:
    """Choose the data set of a front: the one named, in any case or by its beginning, or that with most results.

    Returns:
        Its name, and the names of the others.

    Raises:
        ZooError: If there are no results for the metric or on the data that is named, or several data may be meant.
    """
    counts: dict[str, int] = {}
    for row in usable_rows(registry.results):
        if metric in row["metrics"]:
            counts[row["data"]] = counts.get(row["data"], 0) + 1
    if not counts:
        metrics = {name for row in registry.results for name in row["metrics"]}
        raise ZooError(f"no result has the metric {metric[:80]!r}", did_you_mean(metric, metrics))
    found = max(counts, key=lambda name: (counts[name], name))
    if data is not None:
        found = match_data(data, sorted(counts))
    return found, sorted(set(counts) - {found})


def match_data(data: str, names: list[str]) -> str:
    """Return the one of the names that is meant: exactly, or else in any case, or else by its beginning.

    If none is, hyphens do not count, so that the data kind `cifar10` means the results on CIFAR-10.
    """
    if data in names:
        return data
    matching = names_like(data, names, str.lower) or names_like(data, names, without_hyphens)
    if not matching:
        raise ZooError(f"no data {data[:80]!r} among the results", f"choose one of {', '.join(names)}")
    if len(matching) > 1:
        raise ZooError(f"{data[:80]!r} may mean {' or '.join(matching)}", "write more of the name")
    return matching[0]


def names_like(data: str, names: list[str], simplify: Callable[[str], str]) -> list[str]:
    """List the names that are the same as a text once both are simplified, or else those that begin with it."""
    meant, plain = simplify(data), {name: simplify(name) for name in names}
    same = [name for name in names if plain[name] == meant]
    return same or [name for name in names if plain[name].startswith(meant)]


def without_hyphens(name: str) -> str:
    """Return a name in lower case and without hyphens."""
    return name.lower().replace("-", "")


def front_digest(points: Iterable[FrontPoint]) -> str:
    """Compute a checksum of what a picture of the front shows, which is kept in that picture."""
    return digest([point.to_dict() for point in points])
