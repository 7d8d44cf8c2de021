"""`zoo evaluate --calibrate` fits a temperature, which the run then uses and takes along."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo.cli import main
from zoo.core.errors import DataError, RunError
from zoo.core.files import write_json
from zoo.core.yaml import parse
from zoo.models.calibration import Calibrated, fit_temperature

Capture = pytest.CaptureFixture[str]
ABLE = ["data.limit=200", "model.blocks=2", "model.first=8", "model.last=16", "train.epochs=16"]
"""Options of a run that is right more often than by chance."""


@pytest.fixture(scope="module")
def able(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("able")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        zoo.train("cnn", *ABLE, out=folder / "run", device="cpu")
    return folder / "run"


@pytest.fixture
def run(able: Path, home: Path) -> Path:
    """A copy of that run at runs/tiny-1."""
    return Path(shutil.copytree(able, "runs/tiny-1"))


def output(capsys: Capture, *words: str) -> tuple[str, str]:
    """What a command prints to stdout and stderr."""
    capsys.readouterr()
    assert main([*words, "--device", "cpu"]) == 0
    return capsys.readouterr()


def test_without_validation_pictures_it_says_what_to_do(run: Path) -> None:
    with pytest.raises(DataError, match=r"no validation pictures .* --data DIR"):
        zoo.calibrate(run, "data.valid=0", device="cpu")


def test_only_the_calibration_error_is_computed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    monkeypatch.setattr("zoo_metrics.resampling.wilson_interval", lambda *_: computed.append("intervals"))
    found = zoo.calibrate(run, device="cpu")
    assert not computed and found.error_before is not None and found.error_after is not None


def test_the_temperature_has_the_least_loss() -> None:
    random = torch.Generator().manual_seed(0)
    true = torch.randn(4000, 5, generator=random) * 2
    labels = torch.distributions.Categorical(logits=true).probs.multinomial(1, generator=random)[:, 0]
    found = fit_temperature(true * 3, labels)
    assert found == pytest.approx(3, rel=0.05), "three times too sure"

    def loss(temperature: float) -> float:
        return torch.nn.functional.cross_entropy(true.double() * 3 / temperature, labels).item()

    assert loss(found) < min(loss(found * 1.01), loss(found / 1.01))
    assert fit_temperature((true * 3).log_softmax(1), labels) == pytest.approx(found), "logits or log-probabilities"


@pytest.mark.parametrize(
    ("labels", "text"), [([0, 1], "nearly all pictures are right"), ([1, 0], "no better than chance")]
)
def test_where_no_temperature_fits(labels: list[int], text: str) -> None:
    with pytest.raises(zoo.ZooError, match=text):
        fit_temperature(torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log(), torch.tensor(labels))


def test_the_run_keeps_its_temperature_and_all_use_it(run: Path, capsys: Capture) -> None:
    before = zoo.evaluate(run, split="valid", device="cpu")
    assert "calibration" not in before.details
    _, err = output(capsys, "evaluate", "tiny-1", "--split", "valid", "--calibrate")
    kept = json.loads((run / "calibration.json").read_text(encoding="utf-8"))
    temperature = kept["temperature"]
    assert f"temperature {temperature:.4g} from {before.pictures} validation pictures: calibration error " in err
    assert f"{run} is calibrated: its scores are divided by {temperature:.4g}" in err
    after = zoo.evaluate(run, split="valid", device="cpu")
    assert after.details["calibration"] == kept and kept["weights_sha256"] == zoo.load(run).record["weights_sha256"]
    assert (kept["loss_before"], kept["error_before"]) == pytest.approx(
        (before.metrics["loss"], before.metrics["calibration_error"])
    )
    assert (kept["loss_after"], kept["error_after"]) == pytest.approx(
        (after.metrics["loss"], after.metrics["calibration_error"])
    )
    assert after.metrics["loss"] < before.metrics["loss"] and after.metrics["accuracy"] == before.metrics["accuracy"]
    x = zoo.load(run).entry.data.kind.load(zoo.load(run).entry.data.spec).train.x[:9]
    opened = zoo.load(run)
    raw = opened.model()(x.float() / 255).detach()
    expected = (raw / temperature).softmax(1)
    found = opened(x, device="cpu").probabilities  # in bfloat16
    assert torch.allclose(found, expected, atol=0.005) and not torch.allclose(found, raw.softmax(1), atol=0.02)
    predicted = zoo.predict(run, data="digits", device="cpu").predictions
    test = zoo.evaluate(run, device="cpu").predictions
    assert test is not None
    best = test.scores.exp().amax(1).tolist()
    assert [each.probability for each in predicted] == pytest.approx(best)
    (run / "calibration.json").unlink()
    again = zoo.evaluate(run, split="valid", device="cpu")
    assert again.metrics == before.metrics, "without the file it is as it was"


def test_other_weights_are_not_calibrated_and_a_damaged_file_is_named(run: Path) -> None:
    found = zoo.calibrate(run, device="cpu")
    path = run / "calibration.json"
    write_json(path, found.to_dict() | {"weights_sha256": "0" * 64})
    assert "calibration" not in zoo.evaluate(run, device="cpu").details
    wrong: list[dict[str, Any]] = [
        {"temperature": -1},
        {"temperature": "1"},
        {"temperature": 1e9},
        {"pictures": None},
        {"x": 1},
    ]
    for values in wrong:
        write_json(path, found.to_dict() | values)
        with pytest.raises(RunError, match=r"calibration\.json is damaged"):
            zoo.evaluate(run, device="cpu")


@pytest.mark.parametrize("half", [False, True])
def test_a_published_run_takes_it_along(run: Path, half: bool) -> None:
    found = zoo.calibrate(run, device="cpu")
    zoo.push(run, "bundle.zip", half=half)
    zoo.pull("bundle.zip", out="again")
    there = zoo.load("again")
    kept = json.loads(Path("again", "calibration.json").read_text(encoding="utf-8"))
    assert kept["temperature"] == found.temperature and kept["weights_sha256"] == there.record["weights_sha256"]
    assert zoo.evaluate("again", device="cpu").details["calibration"]["temperature"] == found.temperature


def test_a_bundle_with_a_calibration_of_other_weights_is_refused(run: Path) -> None:
    from zoo.runs.bundle import write_manifest

    zoo.calibrate(run, device="cpu")
    zoo.push(run, "bundle")
    path = Path("bundle", "calibration.json")
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"weights_sha256": "1" * 64})
    write_manifest(Path("bundle"))
    with pytest.raises(RunError, match=r"calibration\.json belongs to other weights"):
        zoo.pull("bundle", out="again")


def test_an_export_has_it(run: Path) -> None:
    pytest.importorskip("onnx")
    from zoo.exporting.export import metadata
    from zoo.exporting.programs import programs_of_run

    found = zoo.calibrate(run, device="cpu")
    opened = zoo.load(run)
    (program,) = programs_of_run(opened, opened.calibrated(opened.model()))
    pictures = torch.randint(0, 256, (3, 8, 8, 1), dtype=torch.uint8)
    with torch.inference_mode():
        expected = (opened.model()(pictures.permute(0, 3, 1, 2).float() / 255) / found.temperature).softmax(1)
        assert torch.allclose(program.module(pictures), expected, atol=1e-6)
    about = json.loads(metadata(opened, program, "onnx")["calibration_temperature"])
    assert about == found.temperature


def test_a_recorded_result_says_so(run: Path) -> None:
    from zoo.core.yaml import parse

    found = zoo.calibrate(run, device="cpu")
    zoo.evaluate(run, device="cpu", record="r.yaml")
    row = parse(Path("r.yaml").read_text(encoding="utf-8"), "r.yaml").data["results"][0]
    assert row["calibration_temperature"] == pytest.approx(found.temperature, abs=1e-5)


def test_several_runs_are_calibrated_one_by_one(run: Path) -> None:
    shutil.copytree(run, "runs/other-1")
    with pytest.raises(zoo.ZooError, match="calibrate each of its runs"):
        zoo.calibrate([run, Path("runs/other-1")], device="cpu")
    zoo.calibrate(run, device="cpu")
    one = zoo.evaluate(run, device="cpu").predictions
    plain = zoo.evaluate("runs/other-1", device="cpu").predictions
    both = zoo.evaluate([run, Path("runs/other-1")], device="cpu").predictions
    assert one is not None and plain is not None and both is not None
    assert torch.allclose(both.scores.exp(), (one.scores.exp() + plain.scores.exp()) / 2, atol=1e-5)


def test_only_a_classifier_has_probabilities(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.evaluation.calibrate.Classifier", Calibrated)
    with pytest.raises(zoo.ZooError, match="is not a classifier, so it has no probabilities to calibrate"):
        zoo.calibrate(run, device="cpu")


def test_a_recorded_ensemble_says_how_its_members_were_calibrated(run: Path) -> None:
    shutil.copytree(run, run.with_name("other"))
    temperature = zoo.calibrate(run, device="cpu").temperature
    file = Path("results.yaml")
    file.write_text("version: 1\n", encoding="utf-8")
    zoo.evaluate("tiny-1+other", device="cpu", record=file)
    (row,) = parse(file.read_text(encoding="utf-8"), "results.yaml").data["results"]
    assert row["calibration_temperature"] == f"{round(temperature, 5)}+1"
