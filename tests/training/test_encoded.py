"""`train.stages.NAME.cache`: what a model's frozen parts make of a picture is computed once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interrupting import Interrupt
from torch import Tensor

import zoo
from zoo.cli import main
from zoo.core.errors import InterruptedRun
from zoo.core.sections import AugmentSpec
from zoo.data.dataset import Pictures
from zoo.data.loader import Loader
from zoo.models.generator import Generator
from zoo.training.encoded import EncodedLoader

pytestmark = pytest.mark.usefixtures("home")
TINY = ("model.latent=4", "model.width=8", "model.blocks=1", "data.limit=300", "train.batch=50", "train.epochs=3")
FLOW = (*TINY, "prior.joint=false", "prior.layers=2", "prior.width=16")
CACHE = "train.stages.prior.cache=true"


@pytest.mark.parametrize("flip", [False, True, "alternate"])
def test_batches_are_those_of_the_loader(flip: Any) -> None:
    x = torch.randint(0, 256, (2500, 4, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    arguments = Pictures.of(x, torch.arange(2500) % 7), 100, AugmentSpec(pad=0, flip=flip), 3
    encoded = EncodedLoader(lambda pictures: 2 * pictures.flatten(1), None, *arguments)
    assert encoded.encoded.shape == (2500 * (1 + bool(flip)), 72)
    for epoch in range(2):
        pairs = zip(Loader(*arguments).epoch("prior", epoch), encoded.epoch("prior", epoch), strict=True)
        assert all(torch.equal(2 * one.x.flatten(1), two.x) and torch.equal(one.y, two.y) for one, two in pairs)


def encoded_pictures(monkeypatch: pytest.MonkeyPatch, *options: str, **arguments: Any) -> list[int]:
    """Train, and return how many pictures were encoded for the prior in each call of the encoder."""
    found: list[int] = []
    pack = Generator.pack_codes

    def counted(self: Generator, x: Tensor) -> Tensor:
        found.append(len(x))
        return pack(self, x)

    with monkeypatch.context() as patched:
        patched.setattr(Generator, "pack_codes", counted)
        zoo.train("vae-nf", *options, **arguments)
    return found


def test_each_picture_is_encoded_once_and_the_training_goes_on_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(encoded_pictures(monkeypatch, *FLOW, CACHE, out="whole")) == 300
    with pytest.raises(InterruptedRun):
        zoo.train("vae-nf", *FLOW, CACHE, out="broken", callback=Interrupt(27))  # in the second of two stages
    assert zoo.train("vae-nf", *FLOW, CACHE, out="broken").weights_sha256 == zoo.load("whole").record["weights_sha256"]
    assert encoded_pictures(monkeypatch, *FLOW, out="plain") == []


def test_kept_codes_train_the_prior_as_those_of_each_epoch_do() -> None:
    kept, anew = (zoo.train("vae-nf", *FLOW, *more, out=out) for more, out in (((CACHE,), "a"), ((), "b")))
    first, second = (zoo.load(run.run).log()[-1]["valid"]["rate"] for run in (kept, anew))
    assert first == pytest.approx(second, rel=0.02)


def test_words_are_kept_too() -> None:
    options = ("model.width=8", "data.limit=100", "train.batch=50", "train.epochs=1", "prior.width=16")
    zoo.train("vq-vae", *options, "prior.layers=1", "train.augment.flip=true", CACHE, out="words")
    assert zoo.load("words").log()[-1]["train"]["rate"] > 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["prior.joint=false", "train.cache=true"], "the stage 'codec' computes nothing that could be kept"),
        (["train.cache=true"], "the stage 'model' computes nothing that could be kept"),
        (["prior.joint=false", "prior.mixup=0.5", CACHE], "the stage 'prior' computes nothing that could be kept"),
        (
            ["prior.joint=false", "train.augment.pad=1", CACHE],
            "train.augment.pad=0 and no other augmentation than flip",
        ),
    ],
)
def test_what_changes_in_each_epoch_is_not_kept(
    options: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "vae-nf", *TINY, *options]) == 2
    assert text in capsys.readouterr().err
