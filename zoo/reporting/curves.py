"""The curves of a training: losses and metrics by epoch, and the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.display.format import is_finite
from zoo.reporting.blocks import Block, Details, Figure, Figures, Table
from zoo.reporting.charts import Colour, Point, Series, axis_of, draw_chart
from zoo.reporting.values import MAX_ROWS

MAX_CHARTS = 12
RATE = "learning rate"
Row = dict[str, Any]
PARTS: tuple[tuple[str, str, Colour], ...] = (("train", "training", "b"), ("valid", "validation", "a"))


def curve_blocks(rows: Sequence[Row], kept: Row | None) -> list[Block]:
    """Return the charts of a metrics log, and a table of all epochs."""
    names = list(dict.fromkeys(name for row in rows for part in ("valid", "train") for name in row.get(part, {})))
    marked = float(rows.index(kept) + 1) if kept in rows and len(rows) > 1 else None
    found = [curve(rows, name, marked) for name in names[:MAX_CHARTS]]
    rates = points(row.get("lr") for row in rows)
    found += [chart(RATE, [Series(RATE, rates, "c")], marked)] if rates else []
    figures = [figure for figure in found if figure]
    return [*([Figures(figures)] if figures else []), Details("All epochs", [epoch_table(rows, names)])]


def curve(rows: Sequence[Row], name: str, marked: float | None) -> Figure | None:
    """Return the chart of a loss or metric over the training and the validation pictures."""
    series = []
    for part, said, colour in PARTS:
        if found := points(row.get(part, {}).get(name) for row in rows):
            series.append(Series(said, found, colour, dashed=part == "train"))
    return chart(name, series, marked) if series else None


def chart(name: str, series: Sequence[Series], marked: float | None) -> Figure:
    """Return a chart by epoch; the epoch that was kept is marked."""
    epochs = [x for each in series for x, _ in each.points]
    across = axis_of("epoch", epochs, whole=True)
    up = axis_of(name, [y for each in series for _, y in each.points], every=name == RATE)
    note = "" if marked is None else f"dotted: the kept epoch, {marked:g}"
    legend = series if len(series) > 1 else ()
    return Figure(name, draw_chart(f"{name} by epoch", series, across, up, marked), legend, note)


def points(values: Any) -> list[Point]:
    """Return the known values by epoch, counted from 1 on over all stages."""
    return [(float(epoch), float(value)) for epoch, value in enumerate(values, 1) if is_finite(value)]


def epoch_table(rows: Sequence[Row], names: Sequence[str]) -> Table:
    """Return all epochs as a table."""
    columns = [(part, name) for name in names for part, _, _ in PARTS if any(name in row.get(part, {}) for row in rows)]
    heads = ["stage", "epoch", *(f"{part} {name}" for part, name in columns), "lr"]
    lines = [
        [
            row["stage"],
            row["epoch"],
            *(cell(row.get(part, {}).get(name)) for part, name in columns),
            cell(row.get("lr")),
        ]
        for row in rows[-MAX_ROWS:]
    ]
    return Table(heads, lines, range(1, len(heads)), "All epochs")


def cell(value: Any) -> str:
    """Format a value, or a dash."""
    return f"{value:.4g}" if is_finite(value) else "-"
