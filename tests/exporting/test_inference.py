"""`zoo bench RUN --inference` times a trained model in PyTorch and as files, in turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from commands import refused

import zoo
from zoo.cli import main

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]


def test_a_run_is_timed_in_pytorch(run: Path, capsys: Capture) -> None:
    threads = torch.get_num_threads()
    capsys.readouterr()
    assert main(["bench", str(run), "--inference", "--seconds", "0.1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["speeds"]
    assert (found["run"], found["threads"], row["part"], row["form"]) == (str(run), 1, "model", "eager")
    assert row["latency_ms"] > 0 and row["ratio_to_eager"] == 1 and row["bytes"] is None
    assert row["pictures_per_second"] > 1000 / row["latency_ms"] / 50
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_exported_forms_are_compared_with_it(run: Path, capsys: Capture) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    capsys.readouterr()
    words = ["--format", "pt2", "--int8", "--seconds", "0.4", "--threads", "2"]
    assert main(["bench", str(run), "--inference", *words]) == 0
    first, heads, *rows = capsys.readouterr().out.splitlines()
    assert first == f"{run}: 2 threads, batches of 250"
    assert heads.split() == ["part", "form", "ms", "for", "one", "pictures/s", "speed-up", "file"]
    assert [row.split()[:2] for row in rows] == [["model", form] for form in ("eager", "pt2", "onnx", "int8")]
    assert not (run / "exports").exists()


@pytest.mark.slow
def test_each_part_of_a_generator_is_timed(home: Path) -> None:
    words = ["data.limit=100", "model.width=8", "prior.layers=1", "prior.width=8", "train.epochs=1"]
    done = zoo.train("vae-nf", *words, device="cpu")
    found = zoo.bench_inference(done.run, ["pt2"], parts=["decoder", "sampler"], seconds=0.1)
    assert [(row.part, row.form) for row in found.speeds] == [
        (part, form) for part in ("decoder", "sampler") for form in ("eager", "pt2")
    ]


def test_options_of_the_other_benchmark_are_refused(run: Path, capsys: Capture) -> None:
    assert "--int8 has no effect without --inference; add --inference" in refused(capsys, "bench", "cnn", "--int8")
    for word in ("train.epochs=2", "model.first=3"):
        main(["bench", str(run), "--inference", word])
        assert f"'{word}' has no effect with --inference" in capsys.readouterr().err
    main(["bench", str(run), "--inference", "--data", "digits"])
    assert "--data has no effect with --inference" in capsys.readouterr().err
