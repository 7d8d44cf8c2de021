"""The judge, class by class: guided samples, mixtures of two classes and edits, of a generator known exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bands import PLUGIN, REGISTRY
from linear import PLUGIN as LINEAR
from linear import REGISTRY as ENTRIES
from PIL import Image

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.evaluation.evaluation import Evaluation
from zoo.registry.listing import load_registry

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def bands(install: Install, home: Path) -> None:
    """Plugins of pictures of bands and of linear models."""
    install("bands", PLUGIN, harmless=True)
    install("linear", LINEAR, harmless=True)
    (home / "registry.yaml").write_text(REGISTRY + ENTRIES.partition("entries:\n")[2], encoding="utf-8")


def judged(*overrides: str, **options: Any) -> Evaluation:
    """The evaluation of a generator of bands."""
    run = zoo.train("bands", *overrides).run
    return zoo.evaluate(run, judge="bands", **options)


def test_figures_of_each_class() -> None:
    found = judged().details["samples_per_class"]
    assert found.keys() == {"low", "middle", "high"}
    for row in found.values():
        assert row["pictures"] == 20
        assert row["judge_right"] == row["judge_right_real"] == 1
        assert row["judge_confidence"] > 0.99
        assert row["frechet"] < 0.02
        assert row["sharpness"] == pytest.approx(1, abs=0.2)


def test_classes_that_fail_are_seen_one_by_one() -> None:
    """Two classes that are taken for each other look like real pictures as a whole."""
    found = judged("prior.how=swapped")
    rows = found.details["samples_per_class"]
    assert [rows[name]["judge_right"] for name in ("low", "middle", "high")] == [0, 0, 1]
    assert rows["low"]["frechet"] == pytest.approx(2 * 0.5**2, abs=0.05)
    assert rows["high"]["frechet"] < 0.02
    assert found.metrics["frechet"] < 0.02
    assert rows["low"]["coverage"] == 0


def test_a_prior_that_hears_nothing_is_right_by_chance() -> None:
    found = judged("prior.how=deaf")
    rights = [row["judge_right"] for row in found.details["samples_per_class"].values()]
    assert sum(rights) / 3 == pytest.approx(1 / 3, abs=0.2)
    figures = found.metrics
    assert figures["mixture_monotone"] == 0
    assert figures["mixture_mass"] == pytest.approx(2 / 3, abs=0.1)
    assert figures["edit_right"] == 0, "a picture stays what it is"


def test_an_additive_generator_mixes_as_real_pictures_are_mixed() -> None:
    figures = judged().metrics
    assert figures["mixture_both"] == figures["mixture_both_real"] == figures["mixture_both_halves"] == 1
    assert figures["mixture_mass"] == pytest.approx(figures["mixture_mass_real"], abs=0.005)
    assert figures["mixture_mass_real"] > 0.98
    assert figures["mixture_monotone"] == 1
    one = judged("prior.how=winner").metrics
    assert one["mixture_both"] == 0
    assert one["mixture_both_real"] == 1
    assert one["mixture_monotone"] == 1, "it falls from one class to the other, all at once"


def test_a_sweep_goes_from_class_to_class_with_the_same_noise() -> None:
    gallery = judged().gallery
    assert gallery
    mixed = gallery.mixed
    assert mixed
    sweep = mixed.sweep
    assert sweep.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert sweep.weights.tolist() == [part / 8 for part in range(9)]
    assert sweep.scores.shape == (3, 9, 64, 3)
    # the judge is linear in the light of a band but for a constant of each picture, and so is the prior
    odds = sweep.scores[0, :, :, 1] - sweep.scores[0, :, :, 0]
    torch.testing.assert_close(odds[4] - odds[0], odds[8] - odds[4], atol=1e-3, rtol=0)
    assert odds[0].std() > 0.1


def test_an_edit_keeps_what_is_not_the_class() -> None:
    figures = judged().metrics
    assert figures["edit_right"] == 1
    assert figures["edit_correlation"] == pytest.approx(1, abs=1e-4)
    assert abs(figures["edit_correlation_fresh"]) < 0.35
    assert figures["edit_same"] < 1e-5
    # told of no class, the prior takes no light from the own one: it stays about as light as the new one
    assert 0.2 < figures["edit_right_from_none"] < 0.8


def test_edits_are_of_the_pictures_that_they_are_said_to_be() -> None:
    gallery = judged().gallery
    assert gallery
    edited = gallery.edited
    assert edited
    assert edited.source.y is not None
    assert edited.edited.y is not None
    assert bool((edited.source.y != edited.edited.y).all())
    assert set(edited.edited.y.tolist()) == {0, 1, 2}
    assert torch.equal(edited.source.x, gallery.real.x)
    assert torch.allclose(edited.reconstructions, edited.source.x, atol=1e-4)


def test_guidance_and_temperature_are_those_of_the_samples() -> None:
    plain = judged()
    assert not {"guidance", "temperature"} & plain.to_dict().keys()
    found = zoo.evaluate("bands", judge="bands", guidance=0.4, temperature=0.5, record="mine.yaml")
    assert (found.guidance, found.temperature) == (0.4, 0.5)
    hung = [gallery for gallery in (plain.gallery, found.gallery) if gallery]
    light = [gallery.samples.x[gallery.samples.y == 0][:, 0, 0, 0] for gallery in hung]
    assert light[1].mean() - light[0].mean() == pytest.approx(0.4 * 0.5 * 2 / 3, abs=0.02)
    assert light[1].std() == pytest.approx(light[0].std().item() / 2, rel=0.01)
    for name in ("loss", "frechet_floor", "edit_right", "edit_same", "mixture_both_real"):
        assert found.metrics[name] == plain.metrics[name]
    dark = [gallery.mixed.samples.x[:16, 0, 5, 0].mean().item() for gallery in hung if gallery.mixed]
    assert dark[1] - dark[0] == pytest.approx(-0.4 * 0.5 / 3, abs=0.02), "the third class, in mixtures of the first two"
    row = load_registry(["mine.yaml"])[0].results[-1]
    assert (row["guidance"], row["temperature"]) == (0.4, 0.5)
    assert zoo.evaluate("bands", judge="bands") == plain


def test_what_cannot_be_guided(capsys: Capture) -> None:
    zoo.train("linear")
    assert main(["evaluate", "linear", "--guidance", "1"]) == 2
    text = capsys.readouterr().err
    taken, _, refusal = text.partition("\n")
    assert taken == "runs/linear-1, trained on digits"
    assert refusal.startswith("error: linear-1 cannot be guided: its prior 'normal' takes no text; drop --guid")
    with pytest.raises(ZooError, match="the temperature must be above 0"):
        zoo.evaluate("linear", temperature=0)
    with pytest.raises(ZooError, match="the guidance must be a number"):
        zoo.evaluate("linear", guidance=float("nan"))
    zoo.train("cnn", "data.limit=50", "model.blocks=1", "model.first=4", "train.epochs=1")
    with pytest.raises(ZooError, match="cnn-1 is not a generator, so no samples are drawn from it"):
        zoo.evaluate("cnn", guidance=1)


def test_a_prior_without_guidance_says_so(capsys: Capture) -> None:
    zoo.train("shades")
    assert main(["evaluate", "shades", "--judge", "none", "--guidance", "1"]) == 2
    assert "--judge none evaluates no samples" in capsys.readouterr().err
    assert main(["evaluate", "shades", "--judge", "corner", "--guidance", "1"]) == 2
    assert "the prior Table supports neither guidance nor products" in capsys.readouterr().err


def test_the_command_line_shows_and_keeps_it(capsys: Capture) -> None:
    zoo.train("bands")
    capsys.readouterr()
    words = ["evaluate", "bands", "--judge", "bands", "--guidance", "0.5", "--temperature", "0.9"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "judge: bands\nsamples drawn with guidance 0.5 and temperature 0.9\n" in out
    head, low, *_ = out.partition("\nsamples of each class\n")[2].splitlines()
    assert head.split()[:5] == ["class", "pictures", "judged", "right", "real"]
    assert low.split()[:4] == ["low", "20", "1.000", "1.000"]
    page = Path("runs/bands-1/evaluation/test-samples.png")
    assert f"wrote {page}" in err
    kept = json.loads(page.with_name("test.json").read_text(encoding="utf-8"))
    assert str(page) in kept["files"]
    assert kept["samples_per_class"]["low"]["judge_right"] == 1
    check_rows(page)
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == kept


def check_rows(path: Path) -> None:
    """Three rows of eight pictures, the first with its first third light, and so on."""
    with Image.open(path) as image:
        x = torch.tensor(list(image.get_flattened_data()), dtype=torch.float).view(image.height, image.width)
    column = x[:, x.shape[1] - 20]
    light = column[8:-8].view(-1)
    thirds = [part.chunk(3) for part in light.chunk(3)]
    assert [max(range(3), key=[part.mean().item() for part in row].__getitem__) for row in thirds] == [0, 1, 2]


def test_a_page_of_samples_without_classes(capsys: Capture) -> None:
    zoo.train("linear")
    capsys.readouterr()
    assert main(["evaluate", "linear", "--judge", "corner", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(path).name for path in found["files"]] == ["test.json", "test-samples.png"]
    assert "samples_per_class" not in found
    assert not [name for name in found["metrics"] if name.startswith(("mixture", "edit"))]
    with Image.open(found["files"][1]) as image:
        assert image.width == pytest.approx(image.height, rel=0.1), "8 rows of 8"


def test_a_judge_that_does_not_know_the_classes_sees_no_mixtures() -> None:
    run = zoo.train("bands").run
    found = zoo.evaluate(run, judge="corner")
    assert "samples_per_class" not in found.details
    assert "mixture_mass" not in found.metrics
    assert "edit_right" not in found.metrics
    assert found.metrics["edit_correlation"] == pytest.approx(1, abs=1e-4)
