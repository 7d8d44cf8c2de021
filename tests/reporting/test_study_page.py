"""The report of studies of all sizes, objectives and outcomes, and of the charts in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies import MIXED, REASONS, study

from zoo.reporting.charts import LEFT, RIGHT, WIDTH, Bar, Series, axis_of, draw_bars, draw_chart
from zoo.reporting.page import render
from zoo.reporting.study_page import study_page
from zoo.tuning.study import trial_label
from zoo.tuning.study_folder import StudyPlan, write_plan

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("states", [(), ("refused",), ("done",), MIXED], ids=len)
@pytest.mark.parametrize("objective", ["loss", "pareto", "accuracy", "efficiency", "fewest-parameters"])
def test_every_study_has_a_page(home: Path, objective: str, states: tuple[str, ...]) -> None:
    bound: dict[str, Any] = {"bound": 0.1} if objective == "fewest-parameters" else {}
    found = study(*states, path=str(home / "s"), objective=objective, **bound)
    write_plan(found.path, StudyPlan.of(found.entry, found.spec, found.space), "zoo tune cnn")
    told: list[str] = []
    page = study_page(found, told.append)
    html = render(page)
    titles = [section.title for section in page.sections]
    assert ("Failures" in titles, "Best trial" in titles) == (bool(set(states) & set(REASONS)), "done" in states)
    assert all(f"<td>{trial_label(trial)}</td>" in html for trial in found.trials)
    assert all(REASONS[state] in html for state in set(states) & set(REASONS))
    assert not re.search(r'="-?(nan|inf)"', html)


def test_the_best_trial_is_never_cut_off(home: Path) -> None:
    found = study(*("done",) * 20, path=str(home / "s"))
    usual = [replace(trial, loss=2.0 + trial.number / 1000, objective=2.0) for trial in found.trials[:-1]]
    found = replace(found, trials=[*usual, replace(found.trials[-1], loss=0.1, objective=0.1)])
    write_plan(found.path, StudyPlan.of(found.entry, found.spec, found.space), "zoo tune cnn")
    html = render(study_page(found, len))
    best = re.findall(r'cy="([0-9.]+)" r="4"><title>t00019', html)
    assert best and all(float(y) < 191.9 for y in best)


def test_dots_outside_both_axes_stand_at_the_edge() -> None:
    points = [(100_000.0 + 500 * number, 0.5 + number / 100) for number in range(30)]
    across, up = axis_of("parameters", [x for x, _ in points]), axis_of("loss", [y for _, y in points])
    svg = draw_chart("far", [Series("done", [*points, (2e6, 0.6)], kind="dots")], across, up)
    assert all(LEFT <= float(x) <= WIDTH - RIGHT for x in re.findall(r'cx="([-0-9.]+)"', svg))


def test_points_without_a_value_break_nothing() -> None:
    values = [(1.0, 0.5), (2.0, float("nan")), (3.0, float("inf")), (4.0, 0.25)]
    across, up = axis_of("epoch", [x for x, _ in values], whole=True), axis_of("<loss>", [y for _, y in values])
    svg = draw_chart("a & b", [Series("valid", values)], across, up, marked=4.0)
    assert svg.count("<circle") == 2 and "nan" not in svg and "&lt;loss&gt;" in svg and 'aria-label="a &amp; b"' in svg
    assert [text for _, text in across.ticks()] == ["1", "2", "3", "4"]
    assert draw_chart("none", [], axis_of("x", []), axis_of("y", []))


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.001, 0.01, 0.1, 1.0], ["0.001", "0.010", "0.100", "1.000"]),
        ([100_000.0, 2_000_000.0], ["100k", "200k", "500k", "1M", "2M"]),
        ([-5.0, 5.0], ["-4", "-2", "0", "2", "4"]),
    ],
)
def test_axes_have_round_values(values: list[float], ticks: list[str]) -> None:
    assert [text for _, text in axis_of("x", values).ticks()] == ticks


def test_bars_name_what_they_show() -> None:
    svg = draw_bars("shares", [Bar("<one>", 0, 0.7, "70 %"), Bar("two", 0, 0.3, "30 %")])
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([0-9.]+)"', svg)]
    assert widths[0] / widths[1] == pytest.approx(0.7 / 0.3, rel=0.01) and "&lt;one&gt; 70 %" in svg
