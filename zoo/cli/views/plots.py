"""Plots of a study as PNG: history, loss against parameters, and importance of options."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.core.errors import printable
from zoo.core.files import atomic_write
from zoo.display.format import format_count
from zoo.display.limits import Limits
from zoo.tuning.history import MAX_OPTIONS, MIN_DONE_TRIALS, best_so_far, objective_points, option_importance
from zoo.tuning.study import FAILED_STATES, Study, Trial, trial_label

BLUE, GREY, RED, GREEN = "#2f6fb0", "#a8a8a8", "#c23b22", "#2c8c4a"


def draw_plots(study: Study) -> list[Path]:
    """Write all plots that have data to the study's folder, and return the files."""
    found = [(name, make(study)) for name, make in PLOTS.items()]
    return [save_plot(study.path / "plots" / f"{name}.png", made) for name, made in found if made is not None]


def save_plot(path: Path, made: Any) -> Path:
    """Write a matplotlib figure as PNG."""
    with warnings.catch_warnings(), atomic_write(path) as temporary:
        warnings.simplefilter("ignore")  # a font without the letters of a name draws boxes
        made.savefig(temporary, format="png")
    return path


def make_axes(title: str, height: float = 4.2) -> tuple[Any, Any]:
    """Create a figure with axes in the style of all plots."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(7.2, height), dpi=120, layout="constrained")
    axes = made.add_subplot()
    axes.set_title(printable(title), fontsize=10, parse_math=False, wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    return made, axes


def apply_limits(limits: Limits, axes: Any) -> None:
    """Set the y axis."""
    if limits.log:
        axes.set_yscale("log")
        set_plain_ticks(axes.yaxis)
    elif limits.high >= 10_000:
        axes.yaxis.set_major_formatter(lambda value, _: format_count(round(value)))
    axes.set_ylim(limits.low, limits.high)


def set_plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: format_count(round(value)) if value >= 1000 else f"{value:g}")
    )
    axis.set_minor_formatter(NullFormatter())


def plot_history(study: Study) -> Any:
    """Plot the objective of each ended trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    what, points = objective_points(study)
    done = [trial.number for trial in study.trials if trial.state == "done" and trial.number in points]
    pruned = [number for number in points if number not in done]
    if not points:
        return None
    last = max(trial.number for trial in study.trials)
    made, axes = make_axes(f"{study.name}: {what} by trial")
    limits = Limits.of([points[number] for number in (done if len(done) >= MIN_DONE_TRIALS else points)])
    apply_limits(limits, axes)
    if done:
        best = [limits.clip(points[trial.number]) for trial in best_so_far(study) if trial.number in points]
        axes.step([*done, last], [*best, best[-1]], where="post", color=GREEN, linewidth=1.6, label="best so far")
    draw_dots(axes, limits, {number: (number, points[number]) for number in pruned}, "pruned")
    draw_dots(axes, limits, {number: (number, points[number]) for number in done}, "done")
    if failed := [trial.number for trial in study.trials if trial.state in FAILED_STATES]:
        heights = [limits.low] * len(failed)
        axes.scatter(failed, heights, marker="x", color=RED, s=26, label="failed", clip_on=False, zorder=3)
    axes.set_xlim(-0.5 - 0.02 * last, last + 0.5 + 0.02 * last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.set_xlabel("trial")
    axes.set_ylabel(what, parse_math=False)
    draw_legend(made)
    return made


def draw_dots(axes: Any, limits: Limits, points: dict[int, tuple[float, float]], state: str) -> None:
    """Draw trials as dots, and those outside the axis range as triangles at its end."""
    style = {"color": BLUE, "s": 26} if state == "done" else {"color": GREY, "s": 18}
    inside = [point for point in points.values() if limits.low <= point[1] <= limits.high]
    if inside:
        axes.scatter(*zip(*inside, strict=True), label=state, zorder=3, **style)
    for sign, marker, end in ((1, "^", limits.high), (-1, "v", limits.low)):
        outside = [x for x, y in points.values() if (y - end) * sign > 0]
        if outside:
            axes.scatter(
                outside,
                [end] * len(outside),
                marker=marker,
                label="outside the axis range",
                clip_on=False,
                zorder=3,
                **style,
            )


def draw_legend(made: Any) -> None:
    """Draw the legend below the axes."""
    handles, names = made.axes[0].get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    made.legend(once.values(), once, loc="outside lower center", ncols=6, frameon=False, fontsize=8)


def plot_parameters(study: Study) -> Any:
    """Plot loss against parameters, with the Pareto front as a line."""
    known = [trial for trial in study.trials if trial.state in ("done", "pruned") and has_size(trial)]
    if not known:
        return None
    made, axes = make_axes(f"{study.name}: validation loss against parameters", 4.8)
    axes.set_xscale("log")
    sizes = [float(trial.parameters or 1) for trial in known]
    room = 1.15 * (max(sizes) / min(sizes)) ** 0.06
    axes.set_xlim(min(sizes) / room, max(sizes) * room)
    set_plain_ticks(axes.xaxis)
    done = [trial for trial in known if trial.state == "done"]
    limits = Limits.of([trial.loss or 0.0 for trial in (done if len(done) >= MIN_DONE_TRIALS else known)])
    apply_limits(limits, axes)
    for state in ("pruned", "done"):
        points = {trial.number: coordinates(trial) for trial in known if trial.state == state}
        draw_dots(axes, limits, points, state)
    if front := study.front:
        xs, ys = zip(*map(coordinates, front), strict=True)
        axes.plot(xs, ys, color=GREEN, linewidth=1.4, marker="o", markersize=4, label="front", zorder=4)
    if best := study.best:
        x, y = coordinates(best)
        axes.scatter([x], [limits.clip(y)], marker="*", s=170, color="gold", edgecolor="black", label="best", zorder=5)
    axes.set_xlabel("parameters")
    axes.set_ylabel("validation loss")
    draw_legend(made)
    draw_labels(made, axes, [*([best] if best else []), *front])
    return made


def has_size(trial: Trial) -> bool:
    """Whether a trial has both a finite loss and a number of parameters."""
    return trial.loss is not None and math.isfinite(trial.loss) and bool(trial.parameters)


def coordinates(trial: Trial) -> tuple[float, float]:
    """Return a trial's parameters and loss."""
    return float(trial.parameters or 1), float(trial.loss or 0.0)


def draw_labels(made: Any, axes: Any, trials: Sequence[Trial]) -> None:
    """Label trials beside their dots in order, leaving out labels that would overlap others."""
    from matplotlib.patheffects import withStroke

    made.draw_without_rendering()
    halo = [withStroke(linewidth=2.5, foreground="white")]
    inside = axes.get_window_extent()
    taken: list[Any] = []
    for trial in {trial.number: trial for trial in trials}.values():
        for across, up, side in ((8, 7, "left"), (-8, -13, "right"), (8, -13, "left"), (-8, 7, "right")):
            text = axes.annotate(
                trial_label(trial),
                coordinates(trial),
                (across, up),
                textcoords="offset points",
                ha=side,
                fontsize=7,
                path_effects=halo,
            )
            box = text.get_window_extent().expanded(1.05, 1.1)
            fits = inside.x0 < box.x0 and box.x1 < inside.x1 and inside.y0 < box.y0 and box.y1 < inside.y1
            if fits and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def plot_importance(study: Study) -> Any:
    """Plot the importance of options for the objective."""
    if sum(trial.state == "done" for trial in study.trials) < MIN_DONE_TRIALS:
        return None
    shares = {name: share for name, share in option_importance(study).items() if math.isfinite(share)}
    if len(shares) < 2:
        return None
    shown = dict(sorted(shares.items(), key=lambda item: item[1])[-MAX_OPTIONS:])
    what = objective_points(study)[0]
    made, axes = make_axes(f"{study.name}: importance of options for the {what}", 1.4 + 0.32 * len(shown))
    bars = axes.barh(range(len(shown)), list(shown.values()), color=BLUE, height=0.62)
    axes.bar_label(bars, [f"{share:.0%}" for share in shown.values()], padding=4, fontsize=8)
    axes.set_yticks(range(len(shown)), list(shown), fontsize=8, parse_math=False)
    axes.set_xlim(0, 1.12 * max(shown.values()))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of rank variance explained (fANOVA)")
    return made


PLOTS = {"history": plot_history, "parameters": plot_parameters, "importance": plot_importance}
