"""Recorded results of entries; a hash shows whether an entry has changed since."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf, isfinite
from pathlib import Path
from typing import Any

from zoo.core.errors import JobError, ZooError
from zoo.core.files import write_text
from zoo.core.trust import read_bytes
from zoo.core.yaml import parse
from zoo.display.format import format_value
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import VERSION, Registry, read_registry
from zoo.registry.registry_text import find_rows, parse_registry

METRIC_DIGITS = 5
BYTE_ORDER_MARK = "\ufeff"
"""Some Windows editors start files with it."""


def results_of(entry: Entry, results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results recorded for an entry, newest last, each marked as stale or not."""
    mine = distinct_rows(row for row in results if row.get("entry") == entry.name)
    current = entry.hash()
    return [row | {"stale": row.get("of") != current} for row in mine]


def distinct_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each result once, since several layers may list it."""
    return list({json.dumps(row, sort_keys=True, default=str): row for row in rows}.values())


def current_hash(name: str, registry: Registry | None = None) -> str:
    """Return the current hash of an entry, or those of an ensemble joined by `+`.

    Empty if an entry is unknown or cannot be used. `registry`: by default all layers, read anew.
    """
    try:
        known = read_registry()[0] if registry is None else registry
        return "+".join(resolve_entry(known.resolve(part)).hash() for part in name.split("+"))
    except ZooError:
        return ""


def best_result(results: Iterable[dict[str, Any]], own: str) -> dict[str, Any] | None:
    """Return the result with the lowest loss on a test split.

    Results on the entry's own data come first, else those on the data used last. Stale results count only if there
    are no others. None if there is no result on a test split.
    """
    tests = [row for row in results if row.get("split") == "test"]
    rows = [row for row in tests if not row["stale"]] or tests
    if not rows:
        return None
    data = own if any(row.get("data") == own for row in rows) else rows[-1].get("data")
    same = [row for row in rows if row.get("data") == data]
    return min(same, key=lambda row: row["metrics"].get("loss", inf))


def describe_best(results: Iterable[dict[str, Any]], own: str) -> tuple[str, str, str]:
    """Format the best result, its parameters and its data for a listing."""
    row = best_result(results, own)
    if row is None:
        return "", "", ""
    values = row["metrics"]
    metrics = [f"{name} {format_value(values[name])}" for name in ("loss", "accuracy") if name in values]
    metrics += [f"mean of {row['averaging']}"] if row.get("averaging") else []
    text = ", ".join(metrics) + " (stale)" * row["stale"]
    return text, format_value(row.get("parameters", "")), str(row.get("data", ""))


def make_result(entry: Entry, data: str, evaluation: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Make the record of a result for a registry file."""
    figures = {name: round(value, METRIC_DIGITS) for name, value in evaluation["metrics"].items()}
    if bad := next((name for name, value in figures.items() if not isfinite(value)), None):
        raise JobError(f"metric {bad!r} is not finite, so the result was not recorded")
    extra = {key: evaluation[key] for key in ("averaging", "judge", "guidance", "temperature") if evaluation.get(key)}
    if calibration := evaluation.get("calibration"):
        extra["calibration_temperature"] = round(calibration["temperature"], METRIC_DIGITS)
    return {
        "entry": entry.name,
        "of": entry.hash(),
        "data": data,
        "split": evaluation["split"],
        "seed": entry.train.seed,
        "metrics": figures,
        **extra,
        "parameters": record["parameters"],
        "minutes": round(record.get("seconds", 0) / 60, 1),
        "seconds": round(record.get("seconds", 0), 1),
        "device": record["device"],
        **({"threads": record["threads"]} if record.get("threads") else {}),
        "zoo": record["zoo"],
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def append_result(path: Path, result: dict[str, Any]) -> None:
    """Add a result to a registry file without changing the rest of its text.

    Raises ZooError and leaves the file unchanged if a line at its end would not become the last result.
    """
    given = read_registry_text(path, "a result")
    text = given.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    data = parse_registry(text, str(path)).data
    check_registry(data, path)
    row = json.dumps(result, ensure_ascii=False, allow_nan=False)
    found = find_rows(text)
    new = f"{text.rstrip()}\n{found.indent}- {row}\n" if found else with_result(text, data, row, path)
    new = new.replace("\n", "\r\n") if "\r\n" in given else new
    write_text(path, BYTE_ORDER_MARK * given.startswith(BYTE_ORDER_MARK) + new, follow_link=True)


def read_registry_text(path: Path, what: str) -> str:
    """Read the text of a registry file with its line ends, or return the start of a new one; `what` is to be added."""
    try:
        return read_bytes(path).decode() if path.exists() else f"version: {VERSION}\n"
    except (OSError, UnicodeError) as error:
        raise ZooError(f"cannot add {what} to {path}: {error}") from None


def with_result(text: str, data: dict[str, Any], row: str, path: Path) -> str:
    """Append a result to the text of a registry whose results are not all JSON lines, or which has none."""
    before = data.get("results")
    end = text.rstrip()
    if before:
        first = re.search(r"^results:[^\n]*\n(?:\s*#[^\n]*\n|\s*\n)*( *)- ", end, re.MULTILINE)
        indent = first[1] if first else "  "
    else:
        indent, end = "  ", re.sub(r"^results:.*", "", end, flags=re.MULTILINE).rstrip() + "\nresults:"
    new = f"{end}\n{indent}- {row}\n"
    try:
        kept_intact = parse(new, str(path)).data == data | {"results": [*(before or []), json.loads(row)]}
    except ZooError:
        kept_intact = False
    if not kept_intact:
        raise ZooError(f"{path}: to add results, `results` must come last in the file, with one `- ` line per result")
    return new


def check_registry(data: Any, path: Path) -> None:
    """Raise ZooError if a file to be written to is not a registry."""
    if not isinstance(data, dict) or "version" not in data or not isinstance(data.get("results", []), list | None):
        raise ZooError(f"{path} is not a registry, so no result was added")
