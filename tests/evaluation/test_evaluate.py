"""Evaluation with plugins: one metric that fails costs only itself, and a result can be recorded under a name."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from zoo.core.yaml import parse

METRICS = """
from zoo import MetricKind, Spec, hookimpl

def bad(spec, outputs):
    raise RuntimeError("no\\nluck")

def good(spec, outputs):
    return {"surprise": 0.25, "table": {"a": 1}}

@hookimpl
def zoo_metrics():
    yield MetricKind("bad", Spec, bad)
    yield MetricKind("good", Spec, good)
"""


def test_a_metric_that_fails_costs_only_itself(run: Path, install: object) -> None:
    assert callable(install)
    install("measures", METRICS, harmless=True)
    found = zoo.evaluate(run, split="valid", device="cpu")
    assert found.metrics["surprise"] == 0.25
    assert found.details["table"] == {"a": 1}
    assert "accuracy" in found.metrics
    assert "per_class" in found.details
    assert found.problems == ["metric 'bad' of plugin measures (zoo-measures 1.0) failed: RuntimeError: no luck"]


def test_a_recorded_result_names_the_pictures_and_goes_stale(run: Path) -> None:
    file = Path("results.yaml")
    file.write_text("version: 1\nentries:\n  mine: {extends: cnn}\n", encoding="utf-8")
    found = zoo.evaluate(run, device="cpu", record=file, data_name="digits at home")
    row = parse(file.read_text(encoding="utf-8"), "results.yaml").data["results"][0]
    assert (row["entry"], row["data"], row["split"]) == ("cnn", "digits at home", "test")
    assert row["metrics"]["accuracy"] == pytest.approx(found.metrics["accuracy"], abs=1e-5)
    assert row["parameters"] == zoo.load(run).record["parameters"]
    shown = zoo.show("cnn", registries=[file], measure=False).results[-1]
    assert shown["stale"] is True, "it was reached with options that are not the entry's"


def test_another_set_of_classes_is_refused(run: Path) -> None:
    zoo_data = Path("pictures")
    from PIL import Image

    for name in ("cat", "dog"):
        (zoo_data / name).mkdir(parents=True)
        for place in range(4):
            Image.new("L", (8, 8), place * 60).save(zoo_data / name / f"{place}.png")
    with pytest.raises(zoo.ZooError, match=r"trained on the classes 0, 1, .* the data has cat, dog"):
        zoo.evaluate(run, "data.kind=folder", f"data.path={zoo_data}", device="cpu")


def test_a_split_that_does_not_exist_is_named(run: Path) -> None:
    with pytest.raises(zoo.ZooError, match="no split 'tset'; did you mean 'test'"):
        zoo.evaluate(run, split="tset")
