"""`zoo export RUN --check FILE` compares an earlier file, and refuses in one line what is not one of this run's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runfolders import copy_run

import zoo
from zoo.cli import main

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.slow]
Capture = pytest.CaptureFixture[str]
Change = Callable[[Any], None]


def check(capsys: Capture, run: Path, file: str | Path) -> tuple[int, str]:
    """The exit code of a check, and its last line."""
    capsys.readouterr()
    code = main(["export", str(run), "--check", str(file)])
    shown = capsys.readouterr()
    return code, (shown.out or shown.err).splitlines()[-1]


def changed(path: Path, change: Change) -> Path:
    """A copy of an ONNX file in which something is changed."""
    model = onnx.load(path)
    change(model)
    other = path.with_name("changed.onnx")
    onnx.save(model, other)
    return other


def label(model: Any, **values: str) -> None:
    """Change metadata."""
    about = {each.key: each.value for each in model.metadata_props} | values
    onnx.helper.set_model_props(model, about)


def newer_format(model: Any) -> None:
    model.ir_version = 99


def newer_operations(model: Any) -> None:
    model.opset_import[0].version = 99


def unknown_operation(model: Any) -> None:
    model.graph.node[-1].op_type = "Nonsense"


def other_weights_inside(model: Any) -> None:
    part = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    part.raw_data = bytes(len(part.raw_data))


def test_an_earlier_file_is_compared_and_a_foreign_one_refused(run: Path, capsys: Capture) -> None:
    exact, quick = (file.path for file in zoo.export(run, int8=True).files)
    code, line = check(capsys, run, exact)
    assert code == 0 and line.startswith(f"checked {exact} (") and "accuracy" in line
    code, line = check(capsys, run, quick)
    assert code == 0 and "a loss of" in line
    before = sorted(exact.parent.iterdir())

    told: list[tuple[Change, int, str]] = [
        (newer_format, 5, "Unsupported model IR version: 99"),
        (newer_operations, 5, "cannot be run by onnxruntime"),
        (unknown_operation, 5, "No Op registered for Nonsense"),
        (other_weights_inside, 1, "differs from the run: largest difference"),
        (lambda model: label(model, weights_sha256="0" * 64), 2, "has the weights 000000000000, and"),
        (
            lambda model: label(model, entry="evil\x1b[31m", entry_hash="12345678"),
            2,
            "of the entry evil\\x1b[31m 12345678",
        ),
        (lambda model: label(model, part="encoder"), 2, "is a classifier, which has no parts"),
        (lambda model: model.ClearField("metadata_props"), 2, "was not exported by the zoo"),
    ]
    for change, expected, says in told:
        path = changed(exact, change)
        code, line = check(capsys, run, path)
        path.unlink()
        assert (code, says in line) == (expected, True), line
    assert sorted(exact.parent.iterdir()) == before


def test_another_version_of_the_zoo_is_said(run: Path, capsys: Capture) -> None:
    (file,) = zoo.export(run).files
    path = changed(file.path, lambda model: label(model, zoo="9.9"))
    capsys.readouterr()
    assert main(["export", str(run), "--check", str(path)]) == 0
    assert f"{path} was exported by pixel-zoo 9.9; this is {zoo.__version__}" in capsys.readouterr().err


def test_what_is_no_file_of_an_export_is_refused(run: Path, capsys: Capture) -> None:
    Path("cut.onnx").write_bytes(b"\x08\x0a\x12\x07")
    Path("text.onnx").write_text("hello " * 100, encoding="utf-8")
    Path("folder.onnx").mkdir()
    Path("model.pt2").write_bytes(b"PK")
    told = {
        "cut.onnx": (5, "cannot be run by onnxruntime"),
        "text.onnx": (5, "protobuf parsing failed"),
        "folder.onnx": (2, "not a regular file"),
        "missing.onnx": (2, "No such file"),
        "model.pt2": (2, "only .onnx files are read"),
    }
    for name, (expected, says) in told.items():
        code, line = check(capsys, run, name)
        assert (code, says in line) == (expected, True), line
    assert main(["export", str(run), "--check", "cut.onnx", "--int8"]) == 2
    assert "--int8 has no effect with --check" in capsys.readouterr().err


def test_the_file_of_another_run_is_refused(run: Path, capsys: Capture) -> None:
    (file,) = zoo.export(run).files
    other = copy_run(run, "other", weights_sha256="f" * 64)
    code, line = check(capsys, other, file.path)
    assert code == 2 and "and runs/other has ffffffffffff" in line.replace("\\", "/")
    assert json.loads((other / "run.json").read_text(encoding="utf-8"))["weights_sha256"] == "f" * 64
