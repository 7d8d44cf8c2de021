"""The report of a study: its history, what mattered, the front, when each trial ran, and what failed."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from zoo.core.errors import ZooError, describe_error
from zoo.core.notes import Tell
from zoo.core.trust import load_json
from zoo.display.format import format_duration, format_value
from zoo.reporting.blocks import Block, Columns, Figure, Figures, Heading, Notes, Page, Section, Table, Text, Tile
from zoo.reporting.charts import Axis, Bar, Colour, Series, axis_of, draw_bars, draw_chart
from zoo.reporting.values import MAX_ROWS, all_options, facts, option_text, read_picture, repeat_blocks
from zoo.runs.card import safe_command
from zoo.tuning.gain import confirmations, gain_lines
from zoo.tuning.history import MAX_OPTIONS, MIN_DONE_TRIALS, best_so_far, objective_points, option_importance
from zoo.tuning.objective import has_own_figure
from zoo.tuning.study import (
    FAILED_STATES,
    FAILURE_HEADS,
    Study,
    Trial,
    describe_study,
    failure_rows,
    front_table,
    headline,
    trial_label,
)
from zoo.tuning.study_folder import read_about

MAX_BARS = 200
"""Most trials in the timeline."""
COLOURS: dict[str, Colour] = {"done": "a", "pruned": "grey", **dict.fromkeys(FAILED_STATES, "bad")}


def study_page(study: Study, tell: Tell) -> Page:
    """Return what there is to say about a study."""
    title, *about = describe_study(study)
    sections = [
        Section("About", about_blocks(study)),
        *section("Best trial", best_blocks(study)),
        *section("History", history_blocks(study)),
        *section("Options", importance_blocks(study, tell)),
        *section("Front", front_blocks(study)),
        *section("Timeline", timeline_blocks(study)),
        *section("Samples", read_picture(study.path / "samples.png", "Samples of the best trial")),
        *section("Failures", failure_blocks(study)),
        Section("Trials", [trial_table(study)]),
        Section("Repeat", repeat(study)),
    ]
    return Page("study", title, ", ".join(about), study_tiles(study), sections, study.state)


def section(title: str, blocks: Sequence[Block]) -> list[Section]:
    """Return a section, or none without blocks."""
    return [Section(title, blocks)] if blocks else []


def study_tiles(study: Study) -> list[Tile]:
    """Return the figures at the top."""
    counts = ", ".join(f"{count} {state}" for state, count in study.counts.items())
    tiles = []
    if best := study.best:
        name, value = "loss", best.loss
        if has_own_figure(study.spec):
            name, value = study.spec.objective, best.objective
        tiles += [Tile(f"best {name}", format_value(value), trial_label(best))]
        tiles += [Tile("its parameters", format_value(best.parameters))]
    seconds = sum(trial.seconds for trial in (*study.trials, *study.confirmed))
    tiles.append(Tile("trials", f"{study.ended} of {study.spec.trials}", counts))
    return [*tiles, Tile("training", format_duration(seconds), "all trials together")]


def about_blocks(study: Study) -> list[Block]:
    """Return what is searched, and what the search gained."""
    gains = list(gain_lines(study))
    spec = study.spec
    about = {"entry": study.entry["name"], "data": study.entry["data"]["kind"], "objective": spec.objective}
    about |= {"sampler": spec.sampler, "folder": str(study.path)}
    rows = [[name, text] for name, text in study.space.items()]
    return [
        facts(about),
        *([Heading("Gain over the entry"), Notes(gains)] if gains else []),
        Heading("Search space"),
        Table(["option", "range"], rows, name="Search space"),
    ]


def best_blocks(study: Study) -> list[Block]:
    """Return options and metrics of the best trial, and how it does with more seeds."""
    if (best := study.best) is None:
        return []
    options = [[name, option_text(value)] for name, value in best.config.items()]
    metrics = [[name, format_value(value)] for name, value in best.metrics.items()]
    columns: list[list[Block]] = [[Heading("Options"), Table(["option", "value"], options, name="Best options")]]
    if metrics:
        columns += [[Heading("Validation metrics"), Table(["metric", "value"], metrics, [1], "Validation metrics")]]
    blocks: list[Block] = [Text(f"{trial_label(best)}: {', '.join(headline(study, best))}."), Columns(columns)]
    if found := confirmations(study):
        heads = ["trial", f"mean {found[0].figure}", "std", "seeds", "values"]
        rows = [
            [
                trial_label(each.trial) + " (the entry)" * (each.trial is study.baseline),
                format_value(each.mean),
                "-" if each.std is None else format_value(each.std),
                len(each.values),
                ", ".join(map(format_value, each.values)),
            ]
            for each in found
        ]
        blocks += [Heading("With more seeds"), Table(heads, rows, [1, 2, 3], "With more seeds")]
    return blocks


def history_blocks(study: Study) -> list[Block]:
    """Return the objective of each trial, and the best so far."""
    what, points = objective_points(study)
    if not points:
        return []
    last = max(trial.number for trial in study.trials)
    best = [(float(trial.number), points[trial.number]) for trial in best_so_far(study) if trial.number in points]
    done = [trial.number for trial in study.trials if trial.state == "done"]
    steps = [(float(number), value) for number, (_, value) in zip(done, best, strict=False)]
    steps += [(float(last), steps[-1][1])] if steps else []
    up = objective_axis(study)
    series = [
        Series("best so far", steps, "good", "step"),
        *trial_series(study, {n: (float(n), v) for n, v in points.items()}),
    ]
    across = axis_of("trial", [0.0, float(last)], whole=True)
    lost = [(float(trial.number), up.limits.low) for trial in study.trials if trial.state in FAILED_STATES]
    series += (
        [Series("failed", lost, "bad", "dots", [trial_label(t) for t in study.trials if t.state in FAILED_STATES])]
        if lost
        else []
    )
    return [Figures([Figure(f"{what} by trial", draw_chart(f"{what} by trial", series, across, up), series)])]


def objective_axis(study: Study) -> Axis:
    """Return the axis of the objective, which shows the best trial in any case."""
    what, points = objective_points(study)
    best = points.get(study.best.number) if study.best else None
    return axis_of(what, shown_values(study, points)).including(best)


def shown_values(study: Study, points: dict[int, float]) -> list[float]:
    """Return the values that choose the limits of an axis: those of finished trials if there are enough."""
    done = [points[trial.number] for trial in study.trials if trial.state == "done" and trial.number in points]
    return done if len(done) >= MIN_DONE_TRIALS else list(points.values())


def trial_series(study: Study, places: dict[int, tuple[float, float]]) -> list[Series]:
    """Return the trials that are done or pruned as dots at these places."""
    found = []
    for state in ("pruned", "done"):
        trials = [trial for trial in study.trials if trial.state == state and trial.number in places]
        labels = [f"{trial_label(trial)}: {', '.join(headline(study, trial))}" for trial in trials]
        if trials:
            found.append(Series(state, [places[trial.number] for trial in trials], COLOURS[state], "dots", labels))
    return found


def importance_blocks(study: Study, tell: Tell) -> list[Block]:
    """Return how much each option mattered, and the objective over each option."""
    blocks: list[Block] = []
    shares = importance(study, tell)
    if len(shares) > 1:
        bars = [Bar(name, 0.0, share, f"{share:.0%}") for name, share in list(shares.items())[:MAX_OPTIONS]]
        title = f"importance for the {objective_points(study)[0]}"
        note = "share of rank variance explained (fANOVA)"
        blocks += [Figures([Figure(title, draw_bars(title, bars), note=note)])]
    if slices := [figure for name in (shares or study.space) if (figure := slice_of(study, name))]:
        blocks += [Heading("Objective over each option"), Figures(slices[:MAX_OPTIONS])]
    return blocks


def importance(study: Study, tell: Tell) -> dict[str, float]:
    """Return the importance of options, the highest first; none with few trials."""
    if len(study.done) < MIN_DONE_TRIALS:
        return {}
    try:
        found = option_importance(study)
    except Exception as error:  # Optuna fails at odd studies in many ways
        tell(f"no importance of options: {describe_error(error)}")
        return {}
    known = {name: share for name, share in found.items() if math.isfinite(share)}
    return dict(sorted(known.items(), key=lambda item: -item[1]))


def slice_of(study: Study, option: str) -> Figure | None:
    """Return the objective over one option; None if it is the same in all trials."""
    what, points = objective_points(study)
    values = {
        trial.number: trial.config[option]
        for trial in study.trials
        if option in trial.config and trial.number in points
    }
    if len(set(map(str, values.values()))) < 2:
        return None
    across = option_axis(option, list(values.values()))
    names = list(across.names)
    places = {
        number: (float(names.index(option_text(value))) if names else float(value), points[number])
        for number, value in values.items()
    }
    series = trial_series(study, places)
    return Figure(option, draw_chart(f"{what} over {option}", series, across, objective_axis(study)))


def option_axis(option: str, values: Sequence[Any]) -> Axis:
    """Return the axis of an option: of numbers, or of names."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        integers = all(isinstance(value, int) for value in values)
        return replace(axis_of(option, map(float, values)), whole=integers)
    names = sorted(set(map(option_text, values)))
    whole = axis_of(option, range(len(names)), whole=True)
    return Axis(option, whole.limits, names=names)


def front_blocks(study: Study) -> list[Block]:
    """Return loss against parameters, and the trials that no other one beats in both."""
    known = {t.number: (float(t.parameters), t.loss) for t in study.trials if t.parameters and t.loss is not None}
    places = {number: (size, loss) for number, (size, loss) in known.items() if math.isfinite(loss)}
    if (best := study.best) is None or not places:
        return []
    front = [places[trial.number] for trial in study.front if trial.number in places]
    series = [Series("front", front, "good", "line"), *trial_series(study, places)]
    across = axis_of("parameters", [size for size, _ in places.values()])
    for size, _ in front:
        across = across.including(size)
    up = axis_of("loss", shown_values(study, {number: loss for number, (_, loss) in places.items()}))
    up = up.including(min((loss for _, loss in front), default=None))
    heads, rows, right = front_table(study, best)
    heads = [head or "note" for head in heads]
    title = "loss against parameters"
    return [Figures([Figure(title, draw_chart(title, series, across, up), series)]), Table(heads, rows, right, "Front")]


def timeline_blocks(study: Study) -> list[Block]:
    """Return when each trial was trained, from the records of their runs."""
    found = [(trial, *times) for trial in study.trials if (times := trial_times(trial))]
    if not found:
        return []
    first = min(start for _, start, _ in found)
    longest = max(end for _, _, end in found) - first
    unit, size = ("hours", 3600.0) if longest > 7200 else ("minutes", 60.0) if longest > 120 else ("seconds", 1.0)
    bars = [
        Bar(
            trial_label(trial),
            (start - first) / size,
            (end - first) / size,
            colour=COLOURS.get(trial.state, "e"),
            about=f"{trial_label(trial)}: {trial.state}, {format_duration(trial.seconds)} of training",
        )
        for trial, start, end in found[:MAX_BARS]
    ]
    axis = axis_of(f"{unit} since the first trial began", [0.0, longest / size], every=True)
    legend = [Series(state, [], COLOURS.get(state, "e")) for state in study.counts]
    return [Figures([Figure("trials over time", draw_bars("trials over time", bars, axis), legend)])]


def trial_times(trial: Trial) -> tuple[float, float] | None:
    """Return when the training of a trial began and ended, in seconds; None if its run does not say."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        record = load_json(trial.run / "run.json")
        start, end = (datetime.fromisoformat(record[key]).timestamp() for key in ("started", "finished"))
        return (start, end) if start <= end else None
    return None


def failure_blocks(study: Study) -> list[Block]:
    """Return the causes of failed and refused trials."""
    rows = failure_rows(study)
    return [Table(FAILURE_HEADS, rows, [1], "Failures")] if rows else []


def trial_table(study: Study) -> Table:
    """Return all trials with their results and options."""
    names = list(dict.fromkeys(name for trial in study.trials for name in trial.config))
    figure = [study.spec.objective] if has_own_figure(study.spec) else []
    heads = ["trial", "state", "loss", *figure, "epoch", "parameters", "seconds", *names]
    rows = [
        [
            trial_label(trial),
            trial.state,
            "" if trial.loss is None else format_value(trial.loss),
            *([("" if trial.objective is None else format_value(trial.objective))] if figure else []),
            trial.epoch,
            "" if trial.parameters is None else format_value(trial.parameters),
            f"{trial.seconds:.1f}",
            *(option_text(trial.config[name]) if name in trial.config else "" for name in names),
        ]
        for trial in study.trials[:MAX_ROWS]
    ]
    return Table(heads, rows, range(2, 6 + len(figure)), "Trials")


def repeat(study: Study) -> list[Block]:
    """Return the commands, the versions of the best trial's run, and all options of the entry."""
    about = read_about(study.path)
    commands = [safe_command(str(about.get("command") or ""), str(study.entry["name"]))]
    versions: dict[str, str] = {"pixel-zoo": str(about.get("zoo", ""))}
    if best := study.best:
        commands.append(shlex.join(["zoo", "evaluate", str(best.run)]))
        with suppress(OSError, ValueError, LookupError, TypeError, ZooError):
            versions = {str(key): str(value) for key, value in load_json(best.run / "run.json")["versions"].items()}
    return [*repeat_blocks(commands, versions), all_options(study.entry, "All options of the entry")]
