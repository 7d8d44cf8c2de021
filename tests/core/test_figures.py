"""In which direction figures are better, by their names."""

from __future__ import annotations

import pytest

from zoo.core.errors import ZooError
from zoo.core.figures import check_goal, direction, score_of
from zoo.registry.listing import load_registry

NEITHER = ("judge_", "edit_correlation", "sharpness", "memorisation", "codes_")
"""How the names of figures begin that are best when they are like those of real pictures."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, "max") for name in ("top5_accuracy", "macro_f1", "judge_right", "shapes_both", "retrieval")],
        *[(name, "min") for name in ("loss", "calibration_error", "calibration_error_auc", "rate", "edit_same")],
        *[(name, "") for name in ("sharpness", "true_positive_rate", "map_size")],
    ],
)
def test_the_name_says_which_way_is_better(name: str, expected: str) -> None:
    assert direction(name) == expected


def test_all_recorded_figures_have_a_direction_or_none_on_purpose() -> None:
    names = {name for row in load_registry()[0].results for name in row["metrics"]}
    lacking = {name for name in names if not direction(name)}
    assert not [name for name in lacking if not name.startswith(NEITHER)]


def test_a_goal_overrides_the_name() -> None:
    assert score_of("kappa", 0.9) == score_of("novelty", 0.9, "max") == -0.9
    assert score_of("accuracy", 0.9, "min") == 0.9
    check_goal("train.monitor", "novelty", "max", "")
    with pytest.raises(ZooError, match="nothing says whether a higher or a lower novelty is better"):
        check_goal("train.monitor", "novelty", "auto", "set train.goal=min or max")
