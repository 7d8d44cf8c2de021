"""The kind `vq-vae`: its quantisers, its two stages, and the metric of its code words."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from zoo_codecs.quantiser import EMA, FSQ, Quantiser, rotation_trick, straight_through
from zoo_codecs.spec import VQVAESpec
from zoo_codecs.vqvae import VQVAE
from zoo_metrics.likelihood import code_usage

import zoo
from zoo import DataInfo
from zoo.cli import main
from zoo.core.errors import InterruptedRun
from zoo.core.types import Batch
from zoo.data.loader import batches
from zoo.evaluation.evaluate import compute_outputs
from zoo.models.generator import Generator
from zoo.registry.build import build_data
from zoo.registry.listing import load_entry
from zoo.registry.model_size import count_size
from zoo.training.callbacks import Callback

INFO = DataInfo((1, 8, 8), tuple("0123456789"), (0.3,), (0.38,))
SMALL = ["model.width=8", "model.blocks=1", "prior.width=16", "prior.layers=1", "prior.heads=2"]
SHORT = ["train.stages={codec: {epochs: 2}, prior: {epochs: 2}}", "data.limit=150", "train.batch=50"]


@pytest.mark.parametrize("levels", [(8, 5, 5), (5, 4, 3), (2, 3), (7,), (2, 2, 2, 2)])
def test_every_word_of_fsq_is_its_own_vector(levels: tuple[int, ...]) -> None:
    fsq = FSQ(levels)
    words = torch.arange(fsq.words)
    vectors = fsq.look_up(words)
    assert len({tuple(vector) for vector in vectors.tolist()}) == fsq.words == math.prod(levels)
    assert vectors.abs().max() == 1
    middles = vectors * (fsq.levels // 2)
    half, offset = (fsq.levels - 1) * 1.001 / 2, 0.5 * (1 - fsq.levels % 2)
    inputs = ((middles + offset) / half).atanh() - (offset / half).atanh()
    assert torch.equal(fsq.choose(inputs), words)


@pytest.mark.parametrize("levels", [(8, 5, 5), (2, 3)])
def test_all_words_of_fsq_can_be_reached_and_no_others(levels: tuple[int, ...]) -> None:
    fsq = FSQ(levels)
    words = fsq.choose(1.5 * torch.randn(50_000, len(levels)))
    assert set(words.tolist()) == set(range(fsq.words))
    assert not fsq.bound(torch.zeros(len(levels))).any()


@pytest.mark.parametrize("levels", [2, 3, 511, 512])
def test_numbers_far_out_take_the_outermost_levels(levels: int) -> None:
    assert FSQ((levels,)).choose(torch.tensor([[-1e4], [1e4]])).tolist() == [0, levels - 1]


def test_more_levels_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValidationError):
        VQVAESpec(levels=(513,))


def test_gradients_of_fsq_are_those_without_rounding() -> None:
    fsq = FSQ((8, 5))
    x = torch.randn(100, 2, requires_grad=True)
    weight = torch.randn(100, 2)
    (found,) = torch.autograd.grad((fsq(x).vectors * weight).sum(), x)
    (smooth,) = torch.autograd.grad((fsq.bound(x) / (fsq.levels // 2) * weight).sum(), x)
    assert torch.equal(found, smooth)


@pytest.mark.parametrize("options", [{}, {"quantiser": "ema"}, {"quantiser": "ema", "gradient": "rotation"}])
def test_what_is_trained_on_is_what_words_look_up(options: dict[str, str]) -> None:
    torch.manual_seed(0)
    codec = VQVAE(VQVAESpec.model_validate({"width": 8, "lowest": 4, **options}), INFO)
    batch = Batch(torch.rand(40, 1, 8, 8), torch.zeros(40, dtype=torch.int64))
    codec.learn(batch)
    codec.eval()
    words, shown, _ = codec.learn(batch)
    assert (words.dtype, words.shape) == (torch.int64, (40, 4, 4))
    assert torch.equal(words, codec.encode(batch.x))
    assert torch.allclose(shown, codec.decode(words), atol=1e-4)


def test_straight_through_gives_gradients_as_they_are() -> None:
    x, target = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3)
    weight = torch.randn(5, 3)
    found = straight_through(x, target)
    (gradient,) = torch.autograd.grad((found * weight).sum(), x)
    assert torch.allclose(found, target)
    assert torch.equal(gradient, weight)


def test_the_rotation_trick_matches_its_definition() -> None:
    x, target = torch.randn(6, 4, dtype=torch.float64, requires_grad=True), torch.randn(6, 4, dtype=torch.float64)
    found = rotation_trick(x, target)
    assert torch.allclose(found, target)
    weight = torch.randn(6, 4, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((found * weight).sum(), x)
    for row in range(6):
        turn = rotation(x[row].detach(), target[row])
        stretch = target[row].norm() / x[row].detach().norm()
        assert torch.allclose(turn @ turn.T, torch.eye(4, dtype=torch.float64))
        assert torch.allclose(gradient[row], stretch * turn.T @ weight[row])


def rotation(x: Tensor, target: Tensor) -> Tensor:
    """The matrix that turns x onto the target within the plane of the two."""
    unit, aim = x / x.norm(), target / target.norm()
    middle = (unit + aim) / (unit + aim).norm()
    return torch.eye(len(x), dtype=x.dtype) - 2 * torch.outer(middle, middle) + 2 * torch.outer(aim, unit)


def islands(count: int, words: int) -> Tensor:
    """Vectors (count, 2) around as many far points as there are words."""
    places = torch.arange(count) % words
    return torch.stack([places * 10.0, (places % 3) * 10.0], 1) + 0.1 * torch.randn(count, 2)


def test_the_codebook_becomes_the_means_of_what_it_is_chosen_for() -> None:
    torch.manual_seed(0)
    ema = EMA(VQVAESpec(words=6, size=2, decay=0.5))
    for _ in range(40):
        ema(islands(300, 6)[torch.randperm(300)])
    means = islands(6000, 6).view(-1, 6, 2).mean(0)
    assert torch.cdist(means, ema.codebook).min(1).values.max() < 0.1
    assert ema.use.sum().item() == pytest.approx(300, abs=1)


@pytest.mark.parametrize(("restart", "all_used"), [(0.1, True), (0.0, False)])
def test_words_out_of_use_begin_anew(restart: float, all_used: bool) -> None:
    torch.manual_seed(0)
    ema = EMA(VQVAESpec(words=32, size=2, decay=0.9, restart=restart))
    ema(torch.full((64, 2), -50.0) + torch.randn(64, 2))
    for _ in range(150):
        ema(islands(640, 32))
    assert (len(set(ema.choose(islands(640, 32)).tolist())) >= 31) == all_used


def test_the_codebook_rests_in_evaluation() -> None:
    ema = EMA(VQVAESpec(words=8, size=2)).eval()
    before = {name: value.clone() for name, value in ema.state_dict().items()}
    ema(islands(100, 8))
    assert all(torch.equal(value, before[name]) for name, value in ema.state_dict().items())


def test_commitment_draws_vectors_to_their_words() -> None:
    ema: Quantiser = EMA(VQVAESpec(words=8, size=2, commitment=0.5)).eval()
    x = islands(100, 8).requires_grad_()
    found = ema(x)
    assert found.loss is not None
    (gradient,) = torch.autograd.grad(found.loss, x)
    assert torch.allclose(gradient, (x - ema.look_up(found.words)) / x.numel())


@pytest.mark.parametrize(("shape", "lowest", "code"), [((1, 8, 8), 4, (4, 4)), ((3, 32, 32), 7, (8, 8))])
def test_codes_are_maps_of_words(shape: tuple[int, int, int], lowest: int, code: tuple[int, int]) -> None:
    codec = VQVAE(VQVAESpec(width=8, lowest=lowest), INFO._replace(shape=shape, mean=(0.5,), std=(0.2,)))
    assert (codec.code.shape, codec.code.words) == (code, 200)
    assert codec.decode(codec.encode(torch.rand(2, *shape))).shape == (2, *shape)


def train(*options: str) -> int:
    """`zoo train vq-vae`, small and short."""
    return main(["train", "vq-vae", *SMALL, *SHORT, *options])


def metrics(capsys: pytest.CaptureFixture[str], run: str) -> dict[str, float]:
    """What evaluation says of a run."""
    capsys.readouterr()
    assert main(["evaluate", run, "--json"]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)["metrics"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("quantiser", ["fsq", "ema"])
def test_both_stages_train_and_the_run_gives_the_model_back(
    home: Path, capsys: pytest.CaptureFixture[str], quantiser: str
) -> None:
    assert train(f"model.quantiser={quantiser}") == 0
    run = zoo.load("vq-vae-1")
    assert [row["stage"] for row in run.log()] == ["codec"] * 2 + ["prior"] * 2
    assert ("commitment" in run.log()[0]["train"]) == (quantiser == "ema")
    model = run.model()
    assert isinstance(model, Generator)
    assert model.sample(5, torch.arange(5)).shape == model.sample(5).shape == (5, 1, 8, 8)
    first, last = run.log()[1]["valid"], run.log()[-1]["valid"]
    assert (first["distortion"], last["rate"] < first["rate"]) == (last["distortion"], True)
    found = metrics(capsys, "vq-vae-1")
    assert 0 < found["codes_used"] <= 1
    assert 1 < found["codes_perplexity"] <= 64
    assert found["codes_bits"] == pytest.approx(found["rate"] / 16 / math.log(2))


def test_usage_is_counted_over_the_whole_split(home: Path) -> None:
    assert train() == 0
    run = zoo.load("vq-vae-1")
    model = run.model()
    assert isinstance(model, Generator)
    pictures = build_data(run.entry.data)[0].test
    found = compute_outputs(model, pictures, run.info, torch.device("cpu"))
    figures = code_usage(found)
    words = model.codes(torch.cat([batch.x for batch in batches(pictures, 50)]))
    counts = torch.bincount(words.flatten())
    share = counts[counts > 0] / words.numel()
    assert figures is not None
    assert figures["codes_used"] == pytest.approx(len(share) / 60)
    assert math.log(figures["codes_perplexity"]) == pytest.approx(-(share * share.log()).sum().item())


class Interrupter(Callback):
    """Raises Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("quantiser", "step"), [("fsq", 1), ("ema", 3), ("ema", 4), ("fsq", 5), ("ema", 7)])
def test_both_stages_go_on_bit_for_bit(home: Path, quantiser: str, step: int) -> None:
    options = [*SMALL, *SHORT, f"model.quantiser={quantiser}"]
    whole = zoo.train("vq-vae", *options, out="whole")
    with pytest.raises(InterruptedRun):
        zoo.train("vq-vae", *options, out="broken", callback=Interrupter(step))
    resumed = zoo.train("vq-vae", *options, out="broken")
    assert resumed.weights_sha256 == whole.weights_sha256
    assert zoo.load("broken").log() == zoo.load("whole").log()


def test_it_is_counted_without_weights(home: Path) -> None:
    found = count_size(load_entry("vq-vae"), INFO)
    assert found.flops
    assert found.parameters > 100_000


def test_too_many_combinations_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "vq-vae", "model.levels=[500, 500, 500]"]) == 2
    assert "125,000,000 combinations" in capsys.readouterr().err


def test_continuous_priors_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "vq-vae", "prior.kind=normal"]) == 2
    assert "60 code words" in capsys.readouterr().err
