"""What the functions of the package return is one short line in an interactive session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from studies import study

import zoo
from zoo.evaluation.compare.result import Comparison
from zoo.evaluation.predict import Predicted, Prediction
from zoo.generation.edit import Edit, Scores
from zoo.generation.reconstruct import Interpolation, Reconstruction
from zoo.generation.sample import Mix, Samples
from zoo.runs.inputs import Skipped
from zoo.training.bench import BenchmarkResult
from zoo.tuning.study import Studies

X = torch.rand(100, 1, 8, 8)
PICTURE = Predicted("a.png", "7", 0.5)
RESULTS = {
    "<Samples: 100 pictures for 1 prompt>": Samples(X, ("7",) * 100),
    "<Samples: 100 pictures>": Samples(X, ()),
    "<Mix of 100 pictures from '3' to '8'>": Mix(X, 10, ("3", "8")),
    "<Edit of 100 pictures to '8'>": Edit(X, X, ("a",) * 100, [], "8"),
    "<Reconstruction of 100 pictures, PSNR 20.0 dB>": Reconstruction(X, X, ("a",) * 100, 0.01, 20.0, []),
    "<Interpolation: 100 pictures from 'a' to 'b'>": Interpolation(X, ("a", "b")),
    "<Scores of 2 pictures under 1 texts>": Scores(("a", "b"), ("7",), torch.rand(2, 1), []),
    "<Prediction of 90 pictures, 1 skipped>": Prediction([PICTURE] * 90, [Skipped("b", "no")]),
    "<Comparison runs: 0 variants of cnn, 1 seed each>": Comparison(Path("runs"), "cnn", "test", [0], {}, []),
    "<Studies: cnn-study>": Studies([study("done")], []),
    "<Benchmark of cnn: 1,234 pictures per second, 1.20 times plain PyTorch>": BenchmarkResult(
        "cnn", "digits", "model", "eager", 1, 1, 1234.0, 1000.0, 1.2, 1, 1.0, 1.0, 1.0
    ),
}


@pytest.mark.parametrize("expected", RESULTS)
def test_results_are_described_in_one_line(expected: str) -> None:
    assert repr(RESULTS[expected]) == expected


@pytest.mark.usefixtures("home")
def test_entries_runs_and_studies_are_described_in_one_line(run: Path) -> None:
    assert repr(zoo.load(run)).replace("\\", "/") == "<Run runs/tiny-1: cnn on digits, done>"
    assert repr(zoo.entries()).startswith("<Entries: cnn, ")
    assert repr(zoo.show("cnn", measure=False)).startswith("<Entry cnn: kind cnn, ")
    assert repr(study("done", "done")).replace("\\", "/") == (
        "<Study runs/cnn-study: unfinished, 2 of 20 trials, best t00001: loss 0.25, 53,101 parameters>"
    )
