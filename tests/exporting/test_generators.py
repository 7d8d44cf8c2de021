"""A generator becomes an encoder, a decoder and a sampler, which give the zoo's own codes and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo.cli import main
from zoo.models import Generator

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.slow]
Capture = pytest.CaptureFixture[str]
SMALL = ["data.limit=100", "model.width=8", "train.batch=50"]


def train(entry: str, *words: str) -> tuple[Path, Generator]:
    """Train a small generator for an epoch; its run and its model."""
    run = zoo.train(entry, *SMALL, *words, device="cpu").run
    model = zoo.load(run).model()
    assert isinstance(model, Generator)
    return Path(run), model


def test_onnx_files_sample_for_a_class_and_reconstruct(capsys: Capture) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    run, model = train("vae-nf", "model.latent=4", "prior.layers=2", "prior.width=8", "train.epochs=1")
    capsys.readouterr()
    assert main(["export", str(run), "-o", "parts"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [
        str(Path("parts", f"{p}.onnx")) for p in ("encoder", "decoder", "sampler")
    ]
    assert "359 test pictures" in lines[0] and "359 codes" in lines[1] and "250 samples" in lines[2]
    encoder, decoder, sampler = (runtime.InferenceSession(f"parts/{p}.onnx") for p in ("encoder", "decoder", "sampler"))

    about = sampler.get_modelmeta().custom_metadata_map
    three = json.loads(about["conditions"])["3"]
    noise = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    condition = torch.tensor([three] * 3)
    with torch.inference_mode():
        expected = model.codec.decode(model.prior.from_noise(noise, condition)).clamp(0, 1)
    code, pictures = sampler.run(None, {"noise": noise.numpy(), "condition": condition.numpy()})
    assert pictures.shape == (3, 8, 8, 1)
    assert np.allclose(pictures.transpose(0, 3, 1, 2), expected, atol=1e-4)
    assert np.allclose(decoder.run(None, {"code": code})[0], pictures, atol=1e-5)

    mean, log_std = encoder.run(None, {"pictures": np.full((1, 20, 30, 1), 99, np.uint8)})
    assert mean.shape == log_std.shape == (1, 4)
    grey = torch.full((1, 1, 8, 8), 99 / 255)
    with torch.inference_mode():
        assert np.allclose(mean, model.codes(grey), atol=1e-3)


def test_code_words_are_sampled_too() -> None:
    words = [
        "prior.width=8",
        "prior.heads=2",
        "prior.layers=1",
        "train.stages={codec: {epochs: 1}, prior: {epochs: 1}}",
    ]
    run, model = train("vq-vae", *words)
    found = zoo.export(run, "pt2")
    assert [file.comparison.unequal for file in found.files] == [0, 0, 0]
    module: Any = torch.export.load(run / "exports" / "sampler.pt2").module()
    noise, condition = torch.randn(5, model.codec.code.size), torch.eye(10)[:5]
    code, pictures = module(noise, condition)
    assert code.shape == (5, 4, 4) and code.dtype == torch.int64
    assert torch.allclose(pictures.permute(0, 3, 1, 2), model.codec.decode(code).clamp(0, 1), atol=1e-4)


@pytest.mark.parametrize("form", ["pt2", "onnx"])
@pytest.mark.parametrize("architecture", ["matching prior.steps=3", "spline"])
def test_a_flow_is_sampled_by_its_steps(architecture: str, form: str) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
        pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
    words = ["model.latent=4", "prior.layers=1", "prior.width=8", "train.epochs=1"]
    run, model = train("vae-nf", *f"prior.architecture={architecture}".split(), *words)
    (file,) = zoo.export(run, form, parts=["sampler"]).files
    assert file.comparison.max_difference < 1e-3
    if form == "pt2":
        module: Any = torch.export.load(run / "exports" / "sampler.pt2").module()
        noise, condition = torch.randn(5, 4), torch.eye(10)[:5]
        expected = model.prior.from_noise(noise, condition)
        assert torch.allclose(module(noise, condition)[0], expected, atol=1e-4)


PRIORS = ["normal", "laplace", "mixture", "vamp", "student-t", "student-t prior.form=factorised", "power-law"]


@pytest.mark.parametrize("prior", PRIORS)
def test_noise_becomes_codes_that_follow_the_prior(prior: str) -> None:
    _, model = train("vae", *f"prior.kind={prior}".split(), "model.latent=4", "train.epochs=1")
    count = 20_000
    with torch.inference_mode():
        torch.manual_seed(0)
        drawn = model.prior.sample(count)
        made = model.prior.from_noise(torch.randn(count, model.prior.noise_size))
    share = math.sqrt(count)
    assert torch.allclose(made.mean(0), drawn.mean(0), atol=6 / share * float(drawn.std()))
    for level in (0.02, 0.1, 0.5, 0.9, 0.98):
        assert torch.allclose(
            made.quantile(level, 0), drawn.quantile(level, 0), rtol=0.1, atol=0.05 * float(drawn.std())
        )


def test_what_cannot_be_exported_says_so_and_leaves_nothing(capsys: Capture) -> None:
    run, _ = train("vae", "prior.kind=student-t", "prior.df=4.5", "model.latent=4", "train.epochs=1")
    capsys.readouterr()
    assert main(["export", str(run), "--format", "pt2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: samples of the prior") and line.endswith("with --part encoder --part decoder")
    assert not (run / "exports").exists()
    parts = ["--part", "encoder", "--part", "decoder", "--format", "pt2"]
    assert main(["export", str(run), *parts]) == 0
    assert sorted(path.name for path in (run / "exports").iterdir()) == ["decoder.pt2", "encoder.pt2"]
    capsys.readouterr()
    assert main(["export", str(run), "--format", "pt2", "--part", "encoder", "-o", "all.pt2"]) == 2
    assert "name a folder with -o" in capsys.readouterr().err
    assert main(["export", str(run), "--int8", "--format", "onnx"]) in {2, 4}


def test_an_operation_that_onnx_lacks_is_named() -> None:
    pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
    run, _ = train("vae-nf", "prior.architecture=linear", "model.latent=4", "train.epochs=1")
    with pytest.raises(zoo.ZooError, match=r"the sampler cannot be exported: .*; other parts may work, see --part"):
        zoo.export(run, parts=["sampler"])
    assert not (run / "exports").exists()
