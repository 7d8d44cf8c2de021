"""Evaluation with plugins: one metric that fails costs only itself, and a result can be recorded under a name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import zoo
from zoo.cli import main
from zoo.core.trust import load_json
from zoo.core.yaml import parse
from zoo.models.averaging import views_of
from zoo.models.base import Classifier

METRICS = """
from zoo import MetricKind, Spec, hookimpl

def bad(spec, outputs):
    raise RuntimeError("no\\nluck")

def good(spec, outputs):
    return {"surprise": 0.25, "table": {"a": 1}}

def library(spec, outputs):
    import numpy as np
    import torch
    return {"of_numpy": np.float32(0.5), "of_torch": torch.tensor(2)}

ODD = {
    "taken": {"loss": 0.001},
    "details": {"split": "x"},
    "endless": {"endless": float("nan")},
    "opaque": {"opaque": object()},
}

@hookimpl
def zoo_metrics():
    yield MetricKind("bad", Spec, bad)
    yield MetricKind("good", Spec, good)
    yield MetricKind("library", Spec, library)
    for name, values in ODD.items():
        yield MetricKind(name, Spec, lambda spec, outputs, values=values: values)
"""


def test_a_metric_that_fails_costs_only_itself(run: Path, install: object) -> None:
    assert callable(install)
    install("measures", METRICS, harmless=True)
    found = zoo.evaluate(run, split="valid", device="cpu")
    assert found.metrics["surprise"] == 0.25
    assert found.details["table"] == {"a": 1}
    assert "accuracy" in found.metrics
    assert "per_class" in found.details
    plugin = "of plugin measures (zoo-measures 1.0) failed"
    assert found.problems[0] == f"metric 'bad' {plugin}: RuntimeError: no luck"
    assert found.metrics["loss"] > 0.01, "that of the model"
    assert (found.metrics["of_numpy"], found.metrics["of_torch"]) == (0.5, 2)
    assert found.problems[1:] == [
        f"metric 'details' {plugin}: ValueError: its result 'split' has the name of another one",
        f"metric 'endless' {plugin.removesuffix(' failed')}: endless is nan, so it is left out",
        f"metric 'opaque' {plugin}: ValueError: opaque cannot be written as JSON: Object of type object is not JSON"
        " serializable",
        f"metric 'taken' {plugin}: ValueError: its result 'loss' has the name of another one",
    ]
    json.dumps(found.to_dict())


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


def test_an_average_over_views_stands_beside_the_evaluation_of_one_pass(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    words = ["evaluate", str(run), "--views", "flip+shift", "--record", "r.yaml", "--device", "cpu"]
    assert main(words) == 0
    assert f"{run}: 359 test pictures, averaged over 10 views (flip+shift)\n" in capsys.readouterr().out
    once, averaged = (load_json(run / "evaluation" / name) for name in ("test.json", "test-flip+shift.json"))
    assert "averaging" not in once
    assert (averaged["averaging"], averaged["views"]) == ("10 views (flip+shift)", "flip+shift")
    assert averaged["metrics"]["loss"] != once["metrics"]["loss"]
    row = parse(Path("r.yaml").read_text(encoding="utf-8"), "r.yaml").data["results"][0]
    assert row["averaging"] == "10 views (flip+shift)"
    assert row["metrics"]["loss"] == pytest.approx(averaged["metrics"]["loss"], abs=1e-5)
    opened = zoo.load(run)
    x = opened.entry.data.kind.load(opened.entry.data.spec).train
    predicted = opened(x.x[:9], device="cpu", views="flip+shift")
    model = opened.model()
    assert isinstance(model, Classifier)
    with torch.inference_mode():
        views = [model(view).softmax(1) for view in views_of(x.floats[:9], "flip+shift")]
    assert torch.allclose(predicted.probabilities, torch.stack(views).mean(0), atol=0.01)
    assert predicted.averaging == "10 views (flip+shift)"


OWN_METRICS = """
from zoo import ModelKind, Spec, hookimpl

def build(spec, info):
    from zoo.testing.toys import LinearClassifier

    class Measured(LinearClassifier):
        def metrics(self, batch):
            return super().metrics(batch) | {"mine": batch.x.mean()}

    return Measured(info)

@hookimpl
def zoo_models():
    yield ModelKind("measured", Spec, build)
"""


def test_a_classifier_of_a_plugin_is_averaged_and_its_own_figures_of_one_pass_are_left_out(install: object) -> None:
    assert callable(install)
    install("measured", OWN_METRICS, harmless=True)
    Path("r.yaml").write_text("version: 1\nentries:\n  own: {data: {kind: digits}, model: {kind: measured}}\n", "utf-8")
    done = zoo.train("own", "data.limit=50", "train.epochs=1", registries=["r.yaml"], device="cpu")
    once, averaged = (zoo.evaluate(done.run, views=views, device="cpu") for views in ("none", "flip"))
    assert "mine" in once.metrics
    assert "mine" not in averaged.metrics
    assert averaged.averaging == "2 views (flip)"
    assert averaged.metrics["loss"] != once.metrics["loss"]


def test_a_result_on_a_fold_is_not_recorded(home: Path) -> None:
    tiny = ["model.blocks=1", "model.first=4", "model.last=4", "train.epochs=1", "data.limit=50"]
    done = zoo.train("cnn", *tiny, "data.folds=2", "data.fold=1", device="cpu")
    assert zoo.evaluate(done.run, device="cpu").pictures == zoo.load(done.run).record["pictures"]["test"]
    with pytest.raises(zoo.ZooError, match=r"is evaluated on a fold, .* cannot be recorded; train a run without"):
        zoo.evaluate(done.run, device="cpu", record="r.yaml")
    assert not Path("r.yaml").exists()


def test_a_generator_has_no_probabilities_to_average(home: Path) -> None:
    tiny = ["model.width=8", "train.epochs=1", "data.limit=100", "model.latent=4", "prior.components=2"]
    done = zoo.train("vae", *tiny, device="cpu")
    with pytest.raises(zoo.ZooError, match=r"vae-1 is not a classifier, .* average over views; drop views"):
        zoo.evaluate(done.run, views="flip", device="cpu")
