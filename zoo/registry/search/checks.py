"""Checks of how an entry is to be tuned, for `zoo tune` and for `zoo show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.errors import ZooError
from zoo.core.figures import check_goal
from zoo.core.sections import COMPUTED_OBJECTIVES, TuneSpec

if TYPE_CHECKING:
    from zoo.registry.entry import Entry
    from zoo.registry.search.space import Space


def check_objective(spec: TuneSpec) -> None:
    """Raise ZooError if the options of an objective do not fit together."""
    if spec.objective == "fewest-parameters" and spec.bound is None:
        raise ZooError(
            "fewest-parameters needs a bound, the largest acceptable validation loss", "give e.g. --bound 0.6"
        )
    if spec.objective != "fewest-parameters" and spec.bound is not None:
        raise ZooError(f"--bound has no effect with objective {spec.objective}", "use --objective fewest-parameters")
    if spec.objective in COMPUTED_OBJECTIVES and spec.goal != "auto":
        raise ZooError(f"tune.goal has no effect with objective {spec.objective}", "use the name of a figure")
    if spec.objective not in COMPUTED_OBJECTIVES:
        check_goal("tune.objective", spec.objective, spec.goal, "set tune.goal=min or max")


def check_epochs(entry: Entry, space: Space) -> None:
    """Refuse minutes: trials are compared at the same epoch, where each would be at another place of its schedule."""
    timed = [f"train.stages.{name}.minutes" for name in entry.train.stages if entry.train.own_minutes(name)]
    timed += ["train.minutes"] if entry.train.minutes else []
    if timed:
        text = f"`zoo tune` compares trials epoch by epoch, so {timed[0]} cannot limit them"
        raise ZooError(text, "set their length with train.epochs instead, e.g. train.epochs=10")
