"""The curves of a training as a picture: losses, accuracy and learning rate by epoch, from the metrics log."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from zoo.core.errors import describe_error
from zoo.core.files import atomic_write
from zoo.core.notes import Tell
from zoo.runs.metrics_log import Row
from zoo.runs.run import Run

CURVES = "curves.png"
"""The file of a run folder."""
ENDED = ("done", "diverged")
MAX_LINES = 8
"""Losses that are drawn."""
WIDE_RANGE = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
Line = list[float]


def try_curves(path: Path, note: Tell) -> None:
    """Draw the curves of a run that has ended; what prevents it is noted, since it must not cost the run."""
    if not (path / "run.json").exists():
        return
    try:
        run = Run.open(path)
        if run.state in ENDED:
            write_curves(run)
    except Exception as error:  # a broken matplotlib raises anything
        note(f"{path / CURVES} could not be drawn: {describe_error(error)}")


def write_curves(run: Run) -> Path | None:
    """Draw the curves of a run into its folder.

    Args:
        run: The run.

    Returns:
        The PNG file; None for a run without a finished epoch.

    Raises:
        RunError: If the metrics log is damaged.
        ResourceError: If the file cannot be written.
    """
    if not (rows := run.log()):
        return None
    kept = rows.index(run.kept_epoch()) + 1 if run.state == "done" else 0
    figure = draw(rows, f"{run.name}: {run.entry.name} on {run.entry.data.name}, {run.state}", kept)
    with warnings.catch_warnings(), atomic_write(run.path / CURVES) as temporary:
        warnings.simplefilter("ignore")  # a font without the letters of a name draws boxes
        figure.savefig(temporary, format="png")
    return run.path / CURVES


def panels_of(rows: Sequence[Row]) -> dict[str, dict[str, Line]]:
    """Return the lines of each panel by name, each with a value per epoch, NaN where there is none."""
    train = {f"training {name}": column(rows, "train", name) for name in names_of(rows, "train")}
    valid = {name: column(rows, "valid", name) for name in names_of(rows, "valid")}
    shares = {f"validation {name}": line for name, line in valid.items() if name.endswith("accuracy")}
    losses = {f"validation {name}": line for name, line in valid.items() if f"validation {name}" not in shares}
    found = {
        "loss": dict(list((losses | train).items())[:MAX_LINES]),
        "accuracy": shares,
        "learning rate": {"learning rate": [number(row.get("lr")) for row in rows]},
    }
    return {name: lines for name, lines in found.items() if any(map(math.isfinite, chain(*lines.values())))}


def names_of(rows: Sequence[Row], part: str) -> list[str]:
    """Return the names of the figures of all epochs, `loss` first."""
    names = dict.fromkeys(name for row in rows for name in row[part])
    return sorted(names, key=lambda name: name != "loss")


def column(rows: Sequence[Row], part: str, name: str) -> Line:
    """Return a figure of each epoch."""
    return [number(row[part].get(name)) for row in rows]


def number(value: Any) -> float:
    """Return a number, NaN for what the log has in place of one that is not finite."""
    return float(value) if isinstance(value, int | float) else math.nan


def draw(rows: Sequence[Row], title: str, kept: int) -> Any:
    """Draw the panels side by side, with the stages and the epoch whose weights were kept, unless that is 0."""
    from matplotlib.figure import Figure

    panels = panels_of(rows)
    figure = Figure(figsize=(4.2 * max(1, len(panels)), 3.6), dpi=100)
    figure.suptitle(title, fontsize=10, parse_math=False)
    figure.subplots_adjust(0.17 / max(1, len(panels)), 0.13, 0.99, 0.83, 0.24)
    for axes, (name, lines) in zip(
        figure.subplots(1, max(1, len(panels)), squeeze=False)[0], panels.items(), strict=False
    ):
        draw_panel(axes, name, lines)
        mark_stages(axes, rows)
        if kept:
            axes.axvline(kept, color="#2c8c4a", linewidth=1, linestyle=":", label="kept")
        if len(lines) > 1 or kept:
            for text in axes.legend(fontsize=7, frameon=False).get_texts():
                text.set_parse_math(False)
    return figure


def draw_panel(axes: Any, name: str, lines: dict[str, Line]) -> None:
    """Draw the lines of one panel over the epochs."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(name, fontsize=9)
    axes.set_xlabel("epoch", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for label, line in lines.items():
        dot = "." if len(line) == 1 or sum(math.isfinite(y) for y in line) == 1 else ""
        axes.plot(range(1, len(line) + 1), line, linewidth=1.3, marker=dot, label=label)
    values = [y for line in lines.values() for y in line if math.isfinite(y)]
    if name == "loss" and min(values) > 0 and max(values) / min(values) > WIDE_RANGE:
        axes.set_yscale("log")


def mark_stages(axes: Any, rows: Sequence[Row]) -> None:
    """Mark where each stage after the first begins."""
    end = 0
    for stage, some in groupby(rows, key=lambda row: str(row["stage"])):
        if end:
            axes.axvline(end + 0.5, color="#a8a8a8", linewidth=0.8)
            axes.annotate(
                stage, (end + 0.6, 0.99), xycoords=axes.get_xaxis_transform(), fontsize=7, va="top", parse_math=False
            )
        end += len(list(some))
