"""The front of recorded results: what dominates, what is not compared, and seeds that are averaged."""

from __future__ import annotations

import pytest

from zoo.core.errors import ZooError
from zoo.registry.front import FrontPoint, choose_data, front_digest, front_points
from zoo.registry.layers import Registry, installed_registry

NOTEBOOK = "the notebook that this project grew from"


def result(entry: str, parameters: int, accuracy: float, minutes: float | None = None, **values: object) -> object:
    """A recorded result."""
    about = {"entry": entry, "of": "x", "data": "toys", "split": "test", "seed": 0, "parameters": parameters}
    about |= {"metrics": {"accuracy": accuracy, "loss": 1 - accuracy}}
    return about | ({} if minutes is None else {"minutes": minutes}) | values


def points_of(*rows: object, metric: str = "accuracy", higher: bool = True) -> dict[str, FrontPoint]:
    """The points of these results by entry."""
    registry = Registry(results=list(rows))  # type: ignore[arg-type]
    return {point.entry: point for point in front_points(registry, "toys", metric, higher=higher)}


def test_a_result_is_on_the_front_if_no_other_is_as_cheap_and_better() -> None:
    rows = [
        result("small", 100, 0.8, 9.0),
        result("large", 1000, 0.9, 1.0),
        result("dull", 500, 0.7, 10.0),
        result("equal", 1000, 0.9, 1.0),
        result("worse", 1000, 0.89, 0.5),
    ]
    fronts = {"small": ("parameters",), "large": ("parameters", "minutes"), "dull": (), "worse": ("minutes",)}
    found = points_of(*rows)
    assert {name: found[name].front for name in fronts} == fronts
    assert found["equal"].front == found["large"].front
    lower = points_of(*rows, metric="loss", higher=False)
    assert {name: lower[name].front for name in fronts} == fronts


def test_one_pass_is_not_compared_with_averages() -> None:
    rows = [result("once", 100, 0.8), result("averaged", 100, 0.9, averaging="2 views (flip)")]
    found = points_of(*rows)
    assert [point.front for point in found.values()] == [("parameters",), ("parameters",)]
    both = points_of(*rows, result("better", 100, 0.85))
    assert both["once"].front == ()


def test_other_guidance_is_another_result_that_replaces_none() -> None:
    rows = [result("a", 100, 0.9, guidance=3.0, judge="b"), result("a", 100, 0.6)]
    found = front_points(Registry(results=rows), "toys", "accuracy", higher=True)  # type: ignore[arg-type]
    assert {point.settings: point.values for point in found} == {"guidance 3.0": (0.9,), "": (0.6,)}


def test_distances_of_different_judges_are_not_compared() -> None:
    near = result("near", 100, 0.5, judge="judge (cnn of 10 parameters)", metrics={"frechet": 4.0, "loss": 2.0})
    far = result("far", 1000, 0.5, judge="inception", metrics={"frechet": 9.0, "loss": 1.9})
    same = result("same", 1000, 0.5, judge="judge (cnn of 12 parameters)", metrics={"frechet": 5.0, "loss": 2.1})
    found = points_of(near, far, same, metric="frechet", higher=False)
    assert {name: point.judge for name, point in found.items()} == {
        "near": "judge",
        "far": "inception",
        "same": "judge",
    }
    assert [found[name].front for name in ("near", "far", "same")] == [("parameters",), ("parameters",), ()]
    losses = points_of(near, far, same, metric="loss", higher=False)
    assert [losses[name].judge for name in ("near", "far")] == ["", ""], "no judge takes part in a loss"


def test_seeds_are_averaged_and_a_seed_measured_again_counts_once() -> None:
    rows = [
        result("a", 100, 0.7, seconds=60.0),
        result("a", 100, 0.8, seconds=60.0),
        result("a", 100, 0.9, seconds=180.0, seed=1),
        result("a", 100, 0.5, split="valid"),
        result("a", 100, 0.5, data="other"),
    ]
    found = points_of(*rows)["a"]
    assert found.values == (0.8, 0.9)
    assert found.mean == pytest.approx(0.85)
    assert found.minutes == 2.0
    assert found.std == pytest.approx(0.0707, abs=1e-4)


def test_unknown_time_is_not_on_the_front_of_time() -> None:
    assert points_of(result("a", 100, 0.8))["a"].front == ("parameters",)


def test_data_are_named_by_their_beginning_and_the_error_names_them() -> None:
    registry = Registry(results=[result("a", 1, 0.5), result("b", 1, 0.5), result("c", 1, 0.5, data="CIFAR")])  # type: ignore[list-item]
    assert choose_data(registry, None, "accuracy") == ("toys", ["CIFAR"])
    assert choose_data(registry, "cifar", "accuracy") == ("CIFAR", ["toys"])
    with pytest.raises(ZooError, match="no data 'mnist' among the results; choose one of CIFAR, toys"):
        choose_data(registry, "mnist", "accuracy")
    kinds = Registry(results=[result("a", 1, 0.5, data="CIFAR-10 (JPEG q75)"), result("b", 1, 0.5)])  # type: ignore[list-item]
    assert choose_data(kinds, "cifar10", "accuracy") == ("CIFAR-10 (JPEG q75)", ["toys"])
    with pytest.raises(ZooError, match="no result has the metric 'acuracy'; did you mean 'accuracy'"):
        choose_data(registry, None, "acuracy")


def test_a_whole_name_is_preferred_and_an_ambiguous_beginning_is_asked_about() -> None:
    rows = [result("a", 1, 0.5, data=name) for name in ("CIFAR-10 (JPEG q75)", "cifar10", "cifar10-small")]
    registry = Registry(results=rows)  # type: ignore[arg-type]
    assert choose_data(registry, "CIFAR10", "accuracy")[0] == "cifar10"
    assert choose_data(registry, "cifar-10", "accuracy")[0] == "CIFAR-10 (JPEG q75)"
    text = r"'cifar1' may mean cifar10 or cifar10-small; write more of the name"
    with pytest.raises(ZooError, match=text):
        choose_data(registry, "cifar1", "accuracy")


def test_the_notebook_is_a_point_and_what_changed_is_stale() -> None:
    registry, _ = installed_registry()
    found = front_points(registry, "CIFAR-10 (JPEG q75)", "accuracy", higher=True)
    (notebook,) = (point for point in found if point.entry == NOTEBOOK)
    assert (notebook.mean, notebook.parameters, notebook.stale) == (0.83, 875_592, False)
    assert points_of(result("gone", 1, 0.5))["gone"].stale
    assert front_digest(found) != front_digest(found[1:])
