"""The report of a comparison: its table, the spread over seeds, all runs, and what failed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from zoo.core.figures import is_better_higher
from zoo.display.format import format_duration, format_value
from zoo.evaluation.compare.folder import ComparisonRecord
from zoo.evaluation.compare.result import FAILURE_HEADS, Comparison
from zoo.evaluation.figures import MAIN_FIGURES
from zoo.reporting.blocks import Block, Figure, Figures, Page, Section, Table, Text, Tile
from zoo.reporting.charts import Axis, Series, axis_of, draw_chart
from zoo.reporting.values import MAX_ROWS, all_options, facts, option_text, repeat_blocks
from zoo.runs.card import safe_command

MAX_CHARTS = 6


def comparison_page(found: Comparison) -> Page:
    """Return what there is to say about a comparison."""
    record = ComparisonRecord.open(found.path)
    heads, rows = found.table(found.figures)
    command = safe_command(str(record.content.get("command") or ""), found.entry)
    charts = [spread(found, name) for name in main_figures(found)]
    sections = [
        Section("About", [facts(about(found)), Text(described(found))]),
        Section("Results", [Table(heads, rows, range(1, len(heads)), "Results of the variants"), *charts_of(charts)]),
        Section("Runs", [run_table(found)]),
        *([Section("Failures", [Table(FAILURE_HEADS, found.failures, [1], "Failures")])] if found.failures else []),
        Section("Repeat", repeat(record, command)),
    ]
    ended = sum(run.state == "done" for run in found.runs)
    state = "done" if ended == len(found.runs) else "unfinished"
    if state == "unfinished" and all(run.state in ("done", "failed", "diverged") for run in found.runs):
        state = "some failed"
    return Page("comparison", f"Variants of {found.entry}", found.title, tiles(found), sections, state)


def about(found: Comparison) -> dict[str, object]:
    """Return what is compared."""
    axes = {f"varies {key}": ", ".join(map(option_text, values)) for key, values in found.axes.items()}
    return {"entry": found.entry, **axes, "seeds": ", ".join(map(str, found.seeds)), "folds": found.folds or None}


def described(found: Comparison) -> str:
    """Say how to read the table."""
    over = "folds" if found.folds else "seeds"
    part = "each on the fold that it was not trained on" if found.folds else f"all on the {found.split} split"
    spread = f"± is the standard deviation over {over}"
    return f"Every variant was trained under equal conditions and evaluated, {part}; {spread}."


def tiles(found: Comparison) -> list[Tile]:
    """Return the figures at the top: the best variant by the main metric, and the work done."""
    shown = []
    for name in main_figures(found)[:1]:
        sign = -1 if is_better_higher(name) else 1
        best = min((each for each in found.variants if name in each.figures), key=lambda v: sign * v.figures[name].mean)
        shown = [Tile(f"best {name}", format_value(best.figures[name].mean), best.label or found.entry)]
    done = sum(run.state == "done" for run in found.runs)
    seconds = sum(run.seconds for run in found.runs)
    return [
        *shown,
        Tile("variants", format_value(len(found.variants))),
        Tile("runs", f"{done} of {len(found.runs)}", "trained and evaluated"),
        Tile("training", format_duration(seconds), "all runs together"),
    ]


def main_figures(found: Comparison) -> list[str]:
    """Return the metrics that are drawn: those that matter most."""
    names = [name for name in MAIN_FIGURES if name in found.figures]
    return (names or found.figures)[:MAX_CHARTS]


def charts_of(charts: Sequence[Figure]) -> list[Block]:
    """Put charts side by side, if there are any."""
    return [Figures(charts)] if charts else []


def spread(found: Comparison, name: str) -> Figure:
    """Return a metric of each run by variant, with the means."""
    names = [variant.label or found.entry for variant in found.variants]
    dots = [
        (float(index), run.metrics[name], f"{names[index]}, seed {run.seed}: {name} {format_value(run.metrics[name])}")
        for index, variant in enumerate(found.variants)
        for run in variant.done
        if name in run.metrics
    ]
    means = [(float(i), v.figures[name].mean) for i, v in enumerate(found.variants) if name in v.figures]
    across = Axis("variant", axis_of("", range(len(names)), whole=True).limits, names=short_names(found, names))
    series = [
        Series("runs", [(x, y) for x, y, _ in dots], "grey", "dots", [label for _, _, label in dots]),
        Series("mean", means, "b", "dots", [f"mean of {names[int(x)]}: {format_value(y)}" for x, y in means]),
    ]
    up = axis_of(name, [y for _, y, _ in dots])
    return Figure(name, draw_chart(f"{name} by variant", series, across, up), series)


def short_names(found: Comparison, names: Sequence[str]) -> list[str]:
    """Return names that fit below an axis: values alone with one option that varies, numbers with many variants."""
    if len(names) > MAX_CHARTS:
        return [str(number) for number in range(1, len(names) + 1)]
    return [
        next(iter(variant.values.values()), name) if len(variant.values) == 1 else name
        for variant, name in zip(found.variants, names, strict=True)
    ]


def run_table(found: Comparison) -> Table:
    """Return all runs with their metrics."""
    names = main_figures(found)
    heads = ["variant", "seed", *(["fold"] if found.folds else []), "state", "seconds", *names, "run"]
    rows = [
        [
            variant.label or found.entry,
            run.seed,
            *([run.fold] if found.folds else []),
            run.state,
            f"{run.seconds:.1f}",
            *(format_value(run.metrics[name]) if name in run.metrics else "-" for name in names),
            str(run.run),
        ]
        for variant in found.variants
        for run in variant.runs
    ]
    first = 3 + bool(found.folds)
    return Table(heads, rows[:MAX_ROWS], [1, *range(first, first + 1 + len(names))], "Runs")


def repeat(record: ComparisonRecord, command: str) -> list[Block]:
    """Return the command, the version, and the options that all variants share."""
    versions = {"pixel-zoo": str(record.content.get("zoo", ""))}
    commands = [command, shlex.join(["zoo", "report", str(record.path)])]
    return [*repeat_blocks(commands, versions), all_options(record.plan.base, "Options that all variants share")]
