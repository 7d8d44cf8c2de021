"""What several reports show alike: options that differ, metrics, commands, versions and pictures in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.core.nested import flatten
from zoo.display.format import format_value, is_finite
from zoo.display.html import MAX_PICTURE_BYTES
from zoo.evaluation.figures import MAIN_FIGURES, better, is_reference, real_value
from zoo.reporting.blocks import Block, Command, Details, Facts, Heading, Picture, Table

MAX_METRICS = 12
"""Most metrics that are shown at once."""
MAX_ROWS = 2000
"""Most rows of a table; a browser sorts them in a moment."""


def option_text(value: Any) -> str:
    """Format the value of an option."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(option_text, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else str(value)


def option_differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[list[str]]:
    """Return rows of option, our value and theirs, for each option whose values differ."""
    one, other = flatten(ours), flatten(theirs)
    names = [name for name in dict.fromkeys([*one, *other]) if name not in ("summary", "name")]
    return [
        [name, option_text(one.get(name)), option_text(other.get(name))]
        for name in names
        if one.get(name) != other.get(name)
    ]


def all_options(dumped: dict[str, Any], title: str = "All options") -> Details:
    """Return all options of an entry, to be opened."""
    rows = [[name, option_text(value)] for name, value in flatten(dumped).items() if name != "summary"]
    return Details(title, [Table(["option", "value"], rows, name=title)])


def metric_blocks(found: Mapping[str, Any]) -> list[Block]:
    """Return the metrics that matter most as a table, and the others to be opened."""
    metrics = {key: float(value) for key, value in found["metrics"].items() if is_finite(value)}
    first = [key for key in MAIN_FIGURES if key in metrics]
    names = [key for key in dict.fromkeys([*first, *metrics]) if not is_reference(key, metrics)]
    intervals = found.get("intervals")
    intervals = intervals if isinstance(intervals, dict) else {}
    if len(names) <= MAX_METRICS:
        return [metric_table(names, metrics, intervals, "Metrics")]
    rest = metric_table(names[MAX_METRICS:], metrics, intervals, "More metrics")
    return [
        metric_table(names[:MAX_METRICS], metrics, intervals, "Metrics"),
        Details(f"{len(rest.rows)} more figures", [rest]),
    ]


def metric_table(names: list[str], metrics: Mapping[str, float], intervals: Mapping[str, Any], name: str) -> Table:
    """Return a table of metrics, with those of real pictures and intervals where there are any."""
    columns = {
        "metric": names,
        "value": [format_value(metrics[key]) for key in names],
        interval_head(intervals.get("level")): [interval_text(intervals.get(key)) for key in names],
        "real pictures": [real_value(key, metrics) for key in names],
        "better": [better(key).removesuffix(" is better") for key in names],
    }
    shown = {head: cells for head, cells in columns.items() if any(cells)}
    numbers = [column for column, head in enumerate(shown) if head not in ("metric", "better")]
    return Table(list(shown), list(zip(*shown.values(), strict=True)), numbers, name)


def interval_head(level: Any) -> str:
    """Name the column of intervals."""
    return f"{100 * level:g} % interval" if is_finite(level) else "interval"


def interval_text(value: Any) -> str:
    """Format an interval; empty if there is none."""
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(is_finite, value)):
        return ""
    return f"{format_value(float(value[0]))} to {format_value(float(value[1]))}"


def facts(about: Mapping[str, object]) -> Facts:
    """Return names and values, without empty values."""
    return Facts({name: format_value(value) for name, value in about.items() if value not in ("", None)})


def repeat_blocks(commands: Iterable[str], versions: Mapping[str, str]) -> list[Block]:
    """Return the commands that repeat the work, and the versions it was done with."""
    rows = [[name, version] for name, version in versions.items()]
    blocks: list[Block] = [Command(list(commands))]
    return [*blocks, Heading("Versions"), Table(["package", "version"], rows, name="Versions")] if rows else blocks


def read_picture(path: Path, caption: str) -> list[Picture]:
    """Read a PNG file; nothing if it is missing, very large, or no PNG."""
    from zoo.core.trust import read_bytes

    try:
        png = read_bytes(path, MAX_PICTURE_BYTES)
    except OSError:
        return []
    return [Picture(png, caption)] if png.startswith(b"\x89PNG\r\n\x1a\n") else []
