"""Trainings on captions of single pictures, from the data to samples, scores, edits and evaluations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from captioned import BRIGHT_ABOVE, DARK_ABOVE, captioned
from interrupting import Interrupt
from safetensors.torch import load_file
from zoo_metrics.retrieval import caption_retrieval

import zoo
from zoo.cli import main
from zoo.core.errors import DataError, InterruptedRun, ZooError
from zoo.data import batches
from zoo.models import Generator
from zoo.registry import Outputs
from zoo.runs.inputs import load_test_split
from zoo.runs.run import Run

SMALL = ("model.latent=4", "model.width=8", "prior.layers=2", "prior.width=16", "prior.context=8", "train.epochs=4")
SAME_WORDS = (BRIGHT_ABOVE, DARK_ABOVE)


def data(**more: Any) -> Any:
    """Pictures with captions and no classes."""
    x, captions, _ = captioned(**more)
    return (x, None, captions)


def train(*words: str, **more: Any) -> Run:
    """Train a small vae-nf on captions."""
    given = more.pop("data", None) or data()
    words = ("text.kind=tokens", *SMALL, "train.batch=32", *words)
    return Run.open(zoo.train("vae-nf", *words, data=given, device="cpu", **more).run)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that knows its captions, and its home."""
    home = tmp_path_factory.mktemp("captions")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("ZOO_CACHE", str(home / "cache"))
        patch.setenv("ZOO_CONFIG", str(home / "config"))
        yield train("train.epochs=40", "prior.layers=4", "prior.width=32")


def mean_difference(run: Run, prompt: str) -> float:
    """How much brighter the upper half of samples is than the lower one."""
    x = zoo.sample(run, prompt, n=32, device="cpu").pictures
    return float(x[:, :, :4].mean() - x[:, :, 4:].mean())


@pytest.mark.slow
def test_samples_follow_captions_whose_words_have_another_order(trained: Run) -> None:
    """The same words in another order give another picture, and words that no caption has are refused."""
    assert mean_difference(trained, SAME_WORDS[0]) > 0.2
    assert mean_difference(trained, SAME_WORDS[1]) < -0.2
    with pytest.raises(ZooError, match="unknown word 'star'"):
        zoo.sample(trained, "a star")
    samples = zoo.sample(trained, device="cpu")
    assert set(samples.labels) == set(trained.info.examples)


@pytest.mark.slow
def test_scores_and_edits_follow_captions(trained: Run) -> None:
    """A picture is likelier under its own caption, and changes with it."""
    texts = [f"{text}{frame}" for frame in ("", " in a frame") for text in SAME_WORDS]
    found = zoo.score(trained, [f"test:{row}" for row in range(12)], texts, device="cpu")
    x = load_test_split(trained).floats[:12]
    dark_above = x[:, :, :4].mean((1, 2, 3)) < x[:, :, 4:].mean((1, 2, 3))
    own = dark_above + 2 * (x[:, :, :, 0].mean((1, 2)) < 0.1)
    assert (found.log_likelihood.argmax(1) == own).sum() >= 11
    edited = zoo.edit(trained, [f"test:{row}" for row in range(8)], to=SAME_WORDS[0], device="cpu").pictures
    assert edited[:, :, :4].mean() > edited[:, :, 4:].mean()


@pytest.mark.slow
def test_the_run_keeps_words_and_examples_and_not_all_captions(trained: Run) -> None:
    """They are in its record, so that it opens without its data."""
    assert {"bright", "dark", "above", "frame", "picture"} <= set(trained.info.words)
    assert trained.info.classes == ()
    assert 0 < len(trained.info.examples) <= 12
    opened = Run.open(trained.path)
    assert opened.info == trained.info
    assert opened.model().text.known == list(trained.info.words)  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_caption_lowers_the_bound_of_its_picture(trained: Run) -> None:
    """Evaluation conditions on each picture's own caption: worse without captions."""
    own = zoo.evaluate(trained, device="cpu")
    model = trained.model()
    test = load_test_split(trained)
    assert isinstance(model, Generator)
    model.set_texts(test.text_table)
    (batch,) = batches(test, len(test))
    with torch.inference_mode():
        none = model.metrics(batch._replace(texts=None))
        assert batch.texts is not None
        swapped = model.metrics(batch._replace(texts=batch.texts.roll(1)))
    assert own.metrics["bound"] < none["bound"].item() < swapped["bound"].item()
    assert "samples_per_class" not in own.details
    assert own.metrics["retrieval_chance"] == 1 / 3
    assert own.metrics["retrieval"] > 0.8
    assert test.texts is not None
    swapped_texts = replace(test, texts=replace(test.texts, index=test.texts.index.roll(1, 0)))
    wrong = caption_retrieval(Outputs(model, trained.info, swapped_texts, {}, None), 10, 200)
    assert wrong is not None and wrong["retrieval"] < 0.5


def test_captions_that_are_too_long_for_the_encoder_are_no_prompts_by_default(home: Path) -> None:
    """Training cuts them, and so nobody who samples without a prompt is refused."""
    x, _, _ = captioned()
    captions = ["a bright one" if row % 2 else "a picture that is dark " * 60 for row in range(len(x))]
    run = train("text.length=3", "train.epochs=1", data=(x, None, captions))
    assert len(run.info.examples) == 2
    assert set(zoo.sample(run, n=2, device="cpu").labels) == {"a bright one"}


ATTENDING = ("text.pooling=none", "text.length=8", "model.form=map", "prior.architecture=matching")


@pytest.mark.parametrize(
    "more", [("text.kind=words",), (), ("model.adversarial=0.5",), (*ATTENDING, "train.optimizer=muon")]
)
def test_a_training_on_captions_resumes_bit_for_bit(more: tuple[str, ...], home: Path) -> None:
    """The same weights with and without a break, with one of several captions chosen per epoch."""
    words = (*more, "train.epochs=2")
    steps, rest = Interrupt(), Interrupt()
    whole = train(*words, out=home / "whole", callback=steps)
    with pytest.raises(InterruptedRun):  # within the second epoch
        train(*words, out=home / "broken", callback=Interrupt(7))
    broken = train(*words, out=home / "broken", callback=rest)
    assert rest.steps == steps.steps - 7
    other = train(*words, out=home / "other", data=(captioned()[0], None, ["a half"] * 240))
    hashes = [run.record["weights_sha256"] for run in (whole, broken, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def samples_of(run: Run, prompt: str, mix: Any = "auto") -> torch.Tensor:
    """Four samples of a prompt."""
    return zoo.sample(run, prompt, n=4, mix=mix, device="cpu").pictures


def test_texts_are_joined_where_captions_name_several_things(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By default if captions have the word "and" and words are vectors of their own, and else on request."""
    x, _, _ = captioned()
    captions = ["a bright one and a dark one" if row % 2 else "a bright one" for row in range(len(x))]
    run = train(*ATTENDING, "train.epochs=1", data=(x, None, captions))
    both = samples_of(run, "a bright one and a dark one")
    assert torch.equal(samples_of(run, "a bright one + a dark one"), both)
    assert torch.equal(samples_of(run, "2 a bright one + 2 a dark one", "join"), both)
    product = samples_of(run, "a bright one + a dark one", "product")
    assert not torch.allclose(product, both)
    uneven = samples_of(run, "a bright one + 0.5 a dark one")
    assert torch.equal(uneven, samples_of(run, "a bright one + 0.5 a dark one", "product"))
    assert main(["sample", str(run.path), "a bright one + 0.5 a dark one", "--mix", "join"]) == 2
    assert "texts of different weights cannot be joined; drop the weights" in capsys.readouterr().err
    other = train(*ATTENDING, "train.epochs=1")
    two = " + ".join(SAME_WORDS)
    assert torch.equal(samples_of(other, two), samples_of(other, two, "product")), "no caption has the word"


def test_class_models_refuse_data_without_classes(home: Path) -> None:
    """A classifier, and a generator whose text encoder knows classes only; the hint says what to do."""
    with pytest.raises(DataError, match="the pictures have no classes"):
        zoo.train("cnn", "train.epochs=1", data=data(), device="cpu")
    with pytest.raises(DataError, match="captions and no classes"):
        zoo.train("vae-nf", *SMALL, data=data(), device="cpu")


def test_priors_without_text_train_on_captioned_pictures(home: Path) -> None:
    """The captions are not used."""
    words = ("model.latent=4", "model.width=8", "train.epochs=1")
    run = zoo.train("vae", *words, data=data(), device="cpu").run
    assert zoo.sample(run, n=2, device="cpu").labels == ()


def test_pictures_with_classes_and_captions_serve_both(home: Path) -> None:
    """A classifier reads the labels, a generator the captions, and its samples are judged by class."""
    x, captions, labels = captioned()
    both = (x, labels, captions)
    run = train(data=both)
    found = zoo.evaluate(run, device="cpu", judge="none")
    assert found.metrics["loss"] > 0
    classifier = zoo.train(
        "cnn", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=1", data=both, device="cpu"
    )
    judged = zoo.evaluate(run, device="cpu", judge=str(classifier.run))
    assert {"judge_right", "edit_right", "mixture_both"} <= set(judged.metrics)


def test_wrong_captions_are_refused(home: Path) -> None:
    """One for each picture, in a list."""
    x, captions, _ = captioned()
    with pytest.raises(DataError, match="240 pictures, and captions of 239"):
        zoo.train("vae-nf", data=(x, None, captions[1:]))
    with pytest.raises(DataError, match="the captions are a str"):
        zoo.train("vae-nf", data=(x, None, "a cat"))
    with pytest.raises(DataError, match="neither classes nor texts"):
        zoo.train("vae-nf", data=(x, None))


@pytest.mark.slow
def test_guidance_leads_away_from_a_negative_prompt(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """In Python and by command: the negative of the other caption is the caption, and its own the opposite."""
    plain = zoo.sample(trained, BRIGHT_ABOVE, n=16, guidance=1, device="cpu").pictures
    away, back = (
        zoo.sample(trained, BRIGHT_ABOVE, n=16, guidance=1, negative=text, device="cpu").pictures
        for text in (DARK_ABOVE, BRIGHT_ABOVE)
    )
    none = zoo.sample(trained, BRIGHT_ABOVE, n=16, device="cpu").pictures
    assert not torch.equal(away, plain)
    torch.testing.assert_close(back, none, atol=1e-4, rtol=0)
    command = ["sample", str(trained.path), BRIGHT_ABOVE, "-n", "16", "--device", "cpu", "--tensors", "x.safetensors"]
    assert main([*command, "--guidance", "1", "--negative", DARK_ABOVE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["negative"] == DARK_ABOVE
    (written,) = load_file("x.safetensors").values()
    assert torch.equal(written, away)
    assert main([*command, "--negative", DARK_ABOVE]) == 2
    assert "no effect without guidance" in capsys.readouterr().err
    assert main([*command, "--guidance", "1", "--negative", "a star"]) == 2
    assert "unknown word 'star'" in capsys.readouterr().err
