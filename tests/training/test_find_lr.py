"""`zoo train NAME --find-lr`: a rate, a plot and a command, and no run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.training.find_lr import suggest

Capture = pytest.CaptureFixture[str]
WORDS = ["train", "cnn", *TINY, "train.batch=40", "--device", "cpu", "--find-lr"]
PNG = b"\x89PNG\r\n"

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.find_lr.STEPS", 90)


def test_it_prints_a_rate_and_the_command_and_leaves_only_the_plot(capsys: Capture) -> None:
    random = torch.get_rng_state()
    assert main([*WORDS, "--json"]) == 0
    assert torch.equal(torch.get_rng_state(), random)
    found = json.loads(capsys.readouterr().out)
    assert [path.name for path in Path().iterdir()] == ["cnn-lr.png"]
    assert Path("cnn-lr.png").read_bytes().startswith(PNG)
    assert 1e-4 < found["suggested"] < 0.3 and found["stage"] == "model"
    rates, losses = found["rates"], found["losses"]
    assert len(rates) == len(losses) <= 150
    assert rates[0] == 1e-6 and rates[1] / rates[0] == pytest.approx(rates[-1] / rates[-2])
    assert losses[0] == pytest.approx(2.3, abs=0.2) and min(losses) < 0.9 * losses[0]
    command = shlex.split(found["command"])
    assert command == ["zoo", *WORDS[:-1], f"train.lr={found['suggested']:g}"]
    assert main([*command[1:], "train.epochs=1"]) == 0


@pytest.mark.usefixtures("quick")
def test_the_same_seed_finds_the_same_and_the_plot_goes_where_it_is_told(capsys: Capture) -> None:
    texts = []
    for _ in range(2):
        assert main([*WORDS, "--out", "plots/sweep.png"]) == 0
        out, err = capsys.readouterr()
        texts.append(out)
        assert Path("plots/sweep.png").read_bytes().startswith(PNG)
        assert "--out" not in next(line for line in err.splitlines() if line.startswith("next: zoo train cnn"))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("words", [["train.optimizer=sgd", "train.decoupled=true"], ["train.accumulate=2"]])
@pytest.mark.usefixtures("quick")
def test_it_goes_by_the_options_of_the_training(capsys: Capture, words: list[str]) -> None:
    found = []
    for each in ([], words):
        assert main([*WORDS, *each, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["losses"])
    assert found[0] != found[1]


@pytest.mark.parametrize("late", ["model.adversarial=1", "model.spectrum=20"])
@pytest.mark.usefixtures("quick")
def test_what_sets_in_late_does_not_look_like_a_rate_that_is_too_high(capsys: Capture, late: str) -> None:
    words = ["train", "vae", "--find-lr", "data.limit=90", "train.batch=30", "model.width=8", "model.latent=4"]
    found = []
    for more in ([], [late]):
        assert main([*words, *more, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert len(found[0]["losses"]) == pytest.approx(len(found[1]["losses"]), abs=8)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train.lr=0.1"], "train.lr has no effect with --find-lr"),
        (["--fresh"], "--fresh has no effect with --find-lr"),
        (["--stage", "modle"], "the model has no stage 'modle'; did you mean 'model'?"),
        (["tune.trials=3"], "tune.trials has no effect on a training"),
        (["--out", "runs/a"], "the plot is a PNG file, so the name 'runs/a' given by --out must end in .png"),
    ],
)
def test_what_has_no_effect_is_refused(capsys: Capture, words: list[str], text: str) -> None:
    assert main([*WORDS, *words]) == 2
    assert text in capsys.readouterr().err and not list(Path().iterdir())


def test_a_later_stage_on_untrained_ones_is_noted(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.find_lr.STEPS", 5)
    small = ["model.width=8", "model.levels=[3, 3]", "prior.width=8", "prior.layers=1", "data.limit=40"]
    for stage, noted in (("codec", False), ("prior", True)):
        assert main(["train", "vq-vae", *small, "--device", "cpu", "--find-lr", "--stage", stage]) == 0
        assert ("the stages before prior are untrained" in capsys.readouterr().err) is noted
    run = zoo.train("vq-vae", *small, "train.epochs=1", "train.batch=20", device="cpu").run
    words = [*small, "--device", "cpu", "--find-lr", "--stage", "prior"]
    assert main(["train", "vq-vae", *words, "--from", str(run)]) == 0
    assert "untrained" not in capsys.readouterr().err


def test_a_stage_without_the_search_is_refused(capsys: Capture) -> None:
    assert main(["train", "cnn", *TINY, "--stage", "model"]) == 2
    assert "--stage has no effect without --find-lr" in capsys.readouterr().err


def test_the_rate_lies_between_the_fastest_fall_and_the_lowest_loss() -> None:
    rates = [10.0**power for power in range(-6, 1)]
    assert suggest(rates, [2.0, 2.0, 1.9, 0.9, 0.2, 0.1, 5.0]) == pytest.approx(0.01)
    assert suggest(rates, [2.0, 2.0, 2.0, 2.1, 3.0, 9.0, 9.0]) is None
    assert suggest([], []) is None
