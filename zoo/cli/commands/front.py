"""`zoo front`: recorded results against parameters and training time, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import REGISTRY
from zoo.cli.views.pages import check_out
from zoo.core.figures import Goal, check_goal, is_better_higher
from zoo.display.format import format_value
from zoo.registry.front import FrontPoint, choose_data, front_points
from zoo.registry.listing import load_registry
from zoo.runs.names import ROOT

HEADS = ("entry", "seeds", "parameters", "minutes", "measured with", "fewest")


@click.command("front", cls=Command)
@click.option(
    "--data", "result_data", metavar="NAME", help="Data as results name them; default those with most results."
)
@click.option("--metric", default="accuracy", metavar="METRIC", help="Metric of the results; default accuracy.")
@click.option(
    "--goal",
    type=click.Choice(get_args(Goal)),
    default="auto",
    help="Whether the metric is better when lower (min) or higher (max); default by its name.",
)
@click.option("-o", "--out", metavar="FILE.png", help="File to write the picture to; default runs/front.png.")
@REGISTRY
@click.pass_obj
def front_command(
    screen: Screen, /, result_data: str | None, metric: str, goal: Goal, out: str | None, registries: tuple[str, ...]
) -> None:
    """Show which recorded results no other one beats with fewer parameters, or with less training.

    The picture has all recorded results on the test split; the table those that no other one dominates. Results are
    compared only with those that are averaged over the same and, where a judge of samples takes part, have the same.
    """
    from zoo.cli.views.front import draw_front

    path = Path(out or ROOT / "front.png")
    check_out(str(path), "picture")
    registry, problems = load_registry(registries)
    chosen, others = choose_data(registry, result_data, metric)
    check_goal("--metric", metric, goal, "add --goal min or --goal max")
    points = front_points(registry, chosen, metric, higher=is_better_higher(metric, goal))
    draw_front(path, points, chosen, metric)
    if screen.json:
        about = {"data": chosen, "metric": metric, "points": [point.to_dict() for point in points]}
        return screen.document(about | {"files": [str(path)], "problems": problems})
    screen.line(f"{chosen}: {metric} of the {len(points)} results on the test split, and those that none dominates")
    screen.line()
    heads = (*HEADS[:1], metric, *HEADS[1:])
    screen.table(heads, [row(point) for point in points if point.front], right=[1, 2, 3, 4])
    if others:
        screen.note(f"other data with --data: {', '.join(others)}")
    for problem in problems:
        screen.note(f"note: {problem}")
    return screen.note(f"wrote {path}")


def row(point: FrontPoint) -> tuple[str, ...]:
    """Return the row of a point in the table."""
    spread = "" if point.std is None else f" ± {point.std:.2g}"
    minutes = "" if point.minutes is None else f"{point.minutes:.1f}"
    value = f"{format_value(point.mean)}{spread}" + (" (stale)" if point.stale else "")
    figures = value, str(len(point.values)), f"{point.parameters:,}", minutes
    judge = point.judge and f"judged by {point.judge}"
    how = ", ".join(filter(None, [point.averaging, point.settings, judge]))
    return point.entry, *figures, how, " and ".join(point.front)
