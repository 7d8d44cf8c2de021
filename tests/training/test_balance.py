"""Class balance: what the sampler draws, what the loss weighs, and which figure chooses the epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.core.sections import TrainSpec
from zoo.core.types import Batch, DataInfo
from zoo.data.dataset import Pictures
from zoo.data.loader import Loader
from zoo.models.base import Classifier
from zoo.registry.listing import load_entry, load_registry
from zoo.registry.search.space import Space
from zoo.runs.listing import read_info
from zoo.training.balance import balance_loss

Capture = pytest.CaptureFixture[str]
RARE = ["data.kind=digits", "data.imbalance=10", *TINY[2:], "train.keep=best"]
LABELS = torch.tensor([0] * 64 + [1] * 16 + [2] * 4)
PICTURES = Pictures.of(torch.zeros(84, 1, 3, dtype=torch.uint8), LABELS.tolist())


class Fixed(Classifier):
    """Gives each picture the scores that are its pixels."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def fixed(balance: str, power: float | None = None) -> Fixed:
    model = Fixed(DataInfo.of((1, 1, 3), ("a", "b", "c")), label_smoothing=0.1)
    balance_loss(model, TrainSpec.model_validate({"balance": balance, "balance_power": power}), PICTURES)
    return model


def sample_order(power: float, epoch: int = 0) -> torch.Tensor:
    pictures = Pictures.of(torch.zeros(84, 2, 2, dtype=torch.uint8), LABELS.tolist())
    return Loader(pictures, 84, seed=1, balance=power).draw("model", epoch).order


@pytest.mark.parametrize(("power", "counts"), [(1.0, [28, 28, 28]), (0.5, [48, 24, 12])])
def test_the_sampler_draws_classes_by_the_power(power: float, counts: list[int]) -> None:
    order = sample_order(power)
    found = torch.bincount(LABELS[order], minlength=3)
    assert (found - torch.tensor(counts)).abs().max() <= 1
    times = torch.bincount(order, minlength=84)
    for label in range(3):
        own = times[label == LABELS]
        assert own.max() - own.min() <= 1, "every picture of a class is drawn as often as the others"
    assert torch.equal(order, sample_order(power)) and not torch.equal(order, sample_order(power, epoch=1))


def test_the_weights_of_the_loss_are_inverse_to_the_pictures_and_one_on_average() -> None:
    model, x = fixed("loss", 0.5), torch.randn(84, 1, 1, 3)
    weights = torch.tensor([1 / 8, 1 / 4, 1 / 2])
    weights = weights / weights[LABELS].mean()
    each = F.cross_entropy(model(x), LABELS, label_smoothing=0.1, reduction="none")
    assert model.losses(Batch(x, LABELS))["loss"] == pytest.approx((each * weights[LABELS]).mean().item(), rel=1e-5)
    soft = F.one_hot(LABELS, 3).float()
    assert model.losses(Batch(x, soft))["loss"] == pytest.approx(model.losses(Batch(x, LABELS))["loss"].item())


def test_logit_adjustment_adds_the_logarithm_of_the_share_in_training_alone() -> None:
    model, x = fixed("logit-adjustment"), torch.randn(84, 1, 1, 3)
    shifted = model(x) + torch.tensor([64 / 84, 16 / 84, 4 / 84]).log()
    expected = F.cross_entropy(shifted, LABELS, label_smoothing=0.1).item()
    assert model.losses(Batch(x, LABELS))["loss"] == pytest.approx(expected, rel=1e-5)
    plain = F.cross_entropy(model(x), LABELS).item()
    assert model.metrics(Batch(x, LABELS))["loss"] == pytest.approx(plain), "the validation loss stays as it is"


@pytest.mark.parametrize("balance", ["sampler", "loss", "logit-adjustment"])
def test_no_power_is_no_balance(balance: str) -> None:
    model, x = fixed(balance, 0.0), torch.randn(84, 1, 1, 3)
    expected = F.cross_entropy(model(x), LABELS, label_smoothing=0.1).item()
    assert model.losses(Batch(x, LABELS))["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_teacher_is_not_asked_whether_the_loss_makes_up_for_rare_classes() -> None:
    def refuse(*_: torch.Tensor) -> torch.Tensor:
        raise AssertionError("it may be on another device than the pictures")

    model = Fixed(DataInfo.of((1, 1, 3), ("a", "b", "c")))
    model.distillation = refuse
    balance_loss(model, TrainSpec(balance="loss"), PICTURES)
    assert model.class_weights is not None and model.distillation is refuse


class Own(Fixed):
    """Has a loss that knows nothing of classes."""

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"loss": self(batch.x).square().mean()}


class More(Fixed):
    """Adds something to the loss of its base class."""

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        return super().losses(batch) | {"size": self(batch.x).square().mean()}


@pytest.mark.parametrize("balance", ["loss", "logit-adjustment"])
def test_a_loss_of_its_own_is_refused_and_one_that_adds_to_it_is_not(balance: str) -> None:
    info = DataInfo.of((1, 1, 3), ("a", "b", "c"))
    spec = TrainSpec.model_validate({"balance": balance})
    with pytest.raises(ZooError, match=r"has no effect on Own.*train\.balance=sampler"):
        balance_loss(Own(info), spec, PICTURES)
    balance_loss(Own(info), TrainSpec(balance="sampler"), PICTURES)
    x, model = torch.randn(84, 1, 1, 3), More(info)
    balance_loss(model, spec, PICTURES)
    assert model.training
    plain, found = (each.losses(Batch(x, LABELS)) for each in (More(info), model))
    assert plain["loss"] != found["loss"] and plain["size"] == found["size"]


def test_each_way_trains_other_weights_with_the_same_names(home: Path, capsys: Capture) -> None:
    hashes = set()
    for balance in ("none", "sampler", "loss", "logit-adjustment"):
        assert main(["train", "cnn", *RARE, f"train.balance={balance}", "--out", balance, "--json"]) == 0
        out, err = capsys.readouterr()
        hashes.add(json.loads(out)["weights_sha256"])
        assert ("rare:" in err and "train.balance=logit-adjustment" in err) == (balance == "none")
        assert zoo.load(balance).weights().keys() == zoo.load("none").weights().keys()
    assert len(hashes) == 4


def test_a_generator_may_draw_rare_classes_more_often_but_has_no_class_loss(home: Path, capsys: Capture) -> None:
    words = ["train", "vae-nf", "data.kind=digits", "data.limit=60", "model.width=8", "prior.width=8", "train.epochs=1"]
    assert main([*words, "train.balance=loss"]) == 2
    out, err = capsys.readouterr()
    assert not out and "set train.balance=sampler" in err and not list(Path().glob("**/run.json"))


def test_a_macro_figure_chooses_the_kept_epoch_and_is_that_of_the_evaluation(home: Path) -> None:
    words = [*RARE, "train.epochs=6", "train.lr=0.02"]
    kept = zoo.train("cnn", *words, "train.monitor=macro_f1", out="macro")
    log = zoo.load("macro").log()
    best = max(log, key=lambda row: row["valid"]["macro_f1"])
    assert kept.metrics == best["valid"]
    evaluation = zoo.evaluate("macro", split="valid")
    assert evaluation.metrics["macro_f1"] == pytest.approx(kept.metrics["macro_f1"], rel=1e-6)
    per_class: Any = evaluation.details["per_class"]
    recalls = [row["recall"] for row in per_class.values() if row["pictures"]]
    assert kept.metrics["macro_accuracy"] == pytest.approx(sum(recalls) / len(recalls), rel=1e-6)
    zoo.train("cnn", *words, out="loss")
    assert [row["train"] for row in zoo.load("loss").log()] == [row["train"] for row in log]


def test_the_figure_may_be_one_of_the_model(home: Path) -> None:
    kept = zoo.train("cnn", *TINY, "train.epochs=5", "train.keep=best", "train.monitor=accuracy", out="run")
    rows = zoo.load("run").log()
    assert kept.metrics == max(rows, key=lambda row: row["valid"]["accuracy"])["valid"]
    assert read_info(Path("run")).metrics == kept.metrics


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train.monitor=macro-f1"], "there is no validation figure 'macro-f1'; did you mean 'macro_f1'?"),
        (["train.goal=max"], "train.goal has no effect without train.monitor"),
        (["train.monitor=accuracy", "data.valid=0"], "no effect without validation pictures"),
        (["train.monitor=accuracy", "train.keep=last"], "no effect with train.keep=last; set train.keep=best"),
        (["train.balance_power=0.5"], "no effect without train.balance"),
        (["train.balance=weights"], "train.balance"),
    ],
)
def test_what_cannot_take_effect_is_refused(home: Path, capsys: Capture, words: list[str], text: str) -> None:
    assert main(["train", "cnn", *TINY, *words]) == 2
    out, err = capsys.readouterr()
    assert not out and text in err and sum(line.startswith("error:") for line in err.splitlines()) == 1
    assert not list(Path().glob("**/run.json"))


def test_no_balance_is_the_same_entry(home: Path) -> None:
    assert load_entry("cnn", ["train.balance=none"]).hash() == load_entry("cnn").hash()


def test_a_study_may_search_the_balance(home: Path) -> None:
    words = ["tune.space.train.balance=[none, sampler, loss, logit-adjustment]"]
    entry = load_entry("cnn", words)
    space = Space.of(load_registry()[0].resolve("cnn", words), entry, entry.tune.space)
    assert space.describe()["train.balance"] == "none | sampler | loss | logit-adjustment"
