"""Exported files give the probabilities of their run, say what they are, and appear only if they do."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.cli import main
from zoo.core.errors import JobError, MissingError
from zoo.core.files import sha256
from zoo.exporting.comparison import Comparison

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.slow]
Capture = pytest.CaptureFixture[str]


def session(path: Path) -> Any:
    """Open an ONNX file in onnxruntime, without anything of the zoo."""
    runtime = pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    return runtime.InferenceSession(str(path))


@pytest.fixture
def onnx() -> None:
    """Skip without the extra."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra `export` is not installed")


@pytest.mark.usefixtures("onnx")
def test_a_classifier_becomes_one_file_that_needs_no_zoo(run: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["export", str(run)]) == 0
    shown = capsys.readouterr()
    path = run / "exports" / "model.onnx"
    assert shown.out.startswith(f"exported {path} (") and "accuracy" in shown.out
    assert shown.err.startswith("exporting the model\n")

    opened = session(path)
    (taken,), (given,) = opened.get_inputs(), opened.get_outputs()
    assert (taken.name, taken.type, taken.shape[3], given.name) == ("pictures", "tensor(uint8)", 1, "probabilities")
    model = zoo.load(run).model()
    for count in (1, 7):
        pictures = torch.randint(0, 256, (count, 8, 8, 1), dtype=torch.uint8)
        with torch.inference_mode():
            expected = model(pictures.permute(0, 3, 1, 2).float() / 255).softmax(1)
        (found,) = opened.run(None, {"pictures": pictures.numpy()})
        assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.usefixtures("onnx")
def test_a_large_picture_gets_the_probabilities_that_predict_gives(run: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 72), dtype=np.uint8)
    Image.fromarray(pixels).save("large.png")
    (path,) = (file.path for file in zoo.export(run).files)
    (found,) = session(path).run(None, {"pictures": pixels[None, :, :, None]})
    (row,) = zoo.predict(run, ["large.png"], "cpu").predictions
    assert str(found[0].argmax()) == row.label
    assert abs(found[0].max() - row.probability) < 0.02  # predict computes in bfloat16


@pytest.mark.usefixtures("onnx")
def test_a_file_says_what_it_is_and_where_its_weights_come_from(run: Path) -> None:
    (file,) = zoo.export(run, out="digits.onnx").files
    assert file.path == Path("digits.onnx") and file.sha256 == sha256(file.path)
    about = session(file.path).get_modelmeta().custom_metadata_map
    opened = zoo.load(run)
    assert about["entry"] == "cnn" and about["entry_hash"] == opened.entry.hash()
    assert about["weights_sha256"] == sha256(run / "weights.safetensors") == opened.record["weights_sha256"]
    assert json.loads(about["classes"]) == [str(digit) for digit in range(10)]
    assert json.loads(about["versions"])["torch"] == torch.__version__.partition("+")[0]
    content = file.path.read_bytes()
    assert str(Path(zoo.__file__).parent).encode() not in content and b"stack_trace" not in content


@pytest.mark.usefixtures("onnx")
def test_int8_is_smaller_work_for_little_accuracy(run: Path) -> None:
    found = zoo.export(run, int8=True)
    exact, quick = found.files
    assert (exact.precision, quick.precision, quick.path.name) == ("float32", "int8", "model-int8.onnx")
    assert 0 < quick.comparison.max_difference < 0.2
    assert abs(quick.comparison.loss) <= 0.005
    weights = {each.name for each in pytest.importorskip("onnx").load(quick.path).graph.initializer}
    assert any(name.endswith("_quantized") for name in weights)
    assert found.to_dict()["files"][1]["accuracy"] == quick.comparison.accuracy


def test_pt2_runs_in_pytorch_alone(run: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["export", str(run), "--format", "pt2", "-o", "digits.pt2", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["files"]
    assert row["path"] == "digits.pt2" and row["max_difference"] <= 1e-5 and row["rows"] == 359
    notes = {"zoo.json": ""}
    module = torch.export.load("digits.pt2", extra_files=notes).module()
    assert json.loads(notes["zoo.json"])["entry"] == "cnn"
    pictures = torch.randint(0, 256, (1, 30, 20, 1), dtype=torch.uint8)
    assert module(pictures).sum().item() == pytest.approx(1)


@pytest.mark.usefixtures("onnx")
def test_a_file_that_differs_too_much_is_not_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.exporting.comparison.MAX_DIFFERENCE", 0.0)
    assert "differs from the run: largest difference" in refused_export(run, code=1)
    assert not (run / "exports").exists()


def refused_export(run: Path, *words: str, code: int = 2) -> str:
    """The line with which an export ends, after the notes of its steps."""
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("zoo.cli.console.Screen.note", lambda _, text: lines.append(text))
        assert main(["export", str(run), *words]) == code
    return lines[-1]


def test_what_does_not_apply_is_refused_in_one_line(run: Path, capsys: Capture) -> None:
    told = {
        "drop --int8": ["--int8", "--format", "pt2"],
        "drop --part": ["--part", "encoder", "--format", "pt2"],
    }
    for hint, words in told.items():
        capsys.readouterr()
        assert main(["export", str(run), *words]) == 2
        assert hint in capsys.readouterr().err
    assert not (run / "exports").exists()


def test_without_the_extra_it_says_what_to_install(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def hidden(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "onnxruntime":
            raise ImportError("no", name="onnxruntime")
        return real(name, *rest)

    monkeypatch.setattr("zoo.exporting.formats.import_module", lambda name: hidden(name))
    with pytest.raises(MissingError, match=r'onnxruntime; pip install "pixel-zoo\[export\]"'):
        zoo.export(run)


@pytest.mark.parametrize(
    ("comparison", "int8", "fits"),
    [
        (Comparison(10_000, 9e-5, 0.0, 0.8504, 0.85), False, True),
        (Comparison(10_000, 2e-4, 0.0, 0.85, 0.85), False, False),
        (Comparison(10_000, 1e-6, 0.0, 0.8508, 0.85), False, False),
        (Comparison(10_000, float("inf"), 0.0, 0.85, 0.85), False, False),
        (Comparison(10_000, 0.3, 0.0, 0.8455, 0.85), True, True),
        (Comparison(10_000, 0.3, 0.0, 0.8440, 0.85), True, False),
        (Comparison(200, 0.1, 0.0, 0.895, 0.9), True, True),
        (Comparison(500, 1e-6, 0.004), False, True),
        (Comparison(500, 1e-6, 0.02), False, False),
    ],
)
def test_the_bounds_of_a_comparison(comparison: Comparison, int8: bool, fits: bool) -> None:
    if fits:
        return comparison.check("model.onnx", int8)
    with pytest.raises(JobError, match=r"model\.onnx differs from the run: .*; nothing was written"):
        comparison.check("model.onnx", int8)
    return None


def test_shipped_weights_are_exported_below_runs(capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["export", "judge@digits", "--format", "pt2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == "judge@digits"
    (row,) = found["files"]
    assert Path(row["path"]) == Path("runs", "judge@digits", "exports", "model.pt2") and Path(row["path"]).is_file()
    assert row["accuracy"] == row["run_accuracy"] > 0.95
