"""`zoo sample PROMPT`, `zoo mix`, `zoo edit` and `zoo score`, with a flow over the codes of a linear model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import studies
import torch
from commands import refused, told
from linear import PLUGIN, REGISTRY
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import normalize

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.display.grid import with_caption
from zoo.models.generator import interpolate_rows
from zoo.runs.inputs import load_test_split

FLOW = ("prior.kind=flow", "prior.layers=3", "prior.width=32", "data.limit=1000", "train.epochs=30", "train.batch=50")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of these tests are kept, so that each is trained once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def runs(install: Install, home: Path, kept: Path) -> Path:
    """runs/flow, a flow given the class, runs/words, given words, runs/linear, no text, and runs/shades, code words."""
    install("linear", PLUGIN, harmless=True)
    (home / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    if not (kept / "runs").exists():
        zoo.train("linear", *FLOW, device="cpu", out="runs/flow")
        zoo.train("linear", *FLOW, "text.kind=words", device="cpu", out="runs/words")
        zoo.train("linear", device="cpu", out="runs/linear")
        zoo.train("shades", device="cpu", out="runs/shades")
        shutil.copytree("runs", kept / "runs")
    else:
        shutil.copytree(kept / "runs", "runs")
    return home / "runs"


def centre(pictures: torch.Tensor) -> torch.Tensor:
    """The mean picture."""
    return pictures.mean(0)


def test_prompts_name_classes_their_captions_and_mixtures(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "sample", "runs/flow", "0", "one", "0.7 0 + 0.3 one", "-n", "6", "--tensors", "x.safetensors")
    assert found["labels"] == ["0", "0", "one", "one", "0.7 0 + 0.3 one", "0.7 0 + 0.3 one"]
    again = zoo.sample("runs/flow", ["0", "1", "7 * zero + 3 * 1"], 6, device="cpu")
    assert torch.equal(load_file("x.safetensors")["pictures"], again.pictures)
    single = zoo.sample("runs/flow", "0", 3, device="cpu")
    assert single.labels == ("0", "0", "0")


def test_a_prompt_draws_its_class() -> None:
    y = load_test_split(zoo.load("runs/flow")).y
    made = zoo.reconstruct("runs/flow", n=len(y), device="cpu").pictures
    real = torch.stack([centre(made[y == label]) for label in range(10)])
    drawn = torch.stack([centre(zoo.sample("runs/flow", str(y), 200, device="cpu").pictures) for y in range(10)])
    # A flow that was trained for seconds knows the direction better than how far to go.
    directions = [normalize((means - means.mean(0)).flatten(1), dim=1) for means in (drawn, real)]
    assert (directions[0] @ directions[1].T).argmax(1).tolist() == list(range(10))


def test_guidance_leads_further_from_what_all_have_in_common() -> None:
    everything = zoo.sample("runs/flow", n=500, device="cpu").pictures.mean(0)
    off = [
        (centre(zoo.sample("runs/flow", "0", 300, guidance=value, device="cpu").pictures) - everything).norm().item()
        for value in (-0.5, 0, 1)
    ]
    assert off == sorted(off)
    assert off[2] > 1.1 * off[1]


def test_rows_of_a_mix_begin_and_end_with_samples_of_its_prompts_and_change_little_by_little(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["mix", "runs/flow", "0", "1 + 2", "--steps", "5", "-n", "3", "--seed", "4", "--tensors", "x.safetensors"]
    found = told(capsys, *words)
    assert (found["pictures"], found["ends"]) == (15, ["0", "1 + 2"])
    assert found["grid"] == str(Path("runs/flow/mixes/0001.png"))
    rows = load_file("x.safetensors")["pictures"].reshape(3, 5, 1, 8, 8)
    for column, prompt in ((0, "0"), (2, "0.5 0 + 0.25 1 + 0.25 2"), (4, "1 + 2")):
        same = zoo.sample("runs/flow", prompt, 3, seed=4, device="cpu").pictures
        torch.testing.assert_close(rows[:, column], same, atol=1e-5, rtol=0)
    steps = (rows[:, 1:] - rows[:, :-1]).flatten(2).norm(dim=2)
    whole = (rows[:, 4] - rows[:, 0]).flatten(1).norm(dim=1)
    assert (steps.amax(1) < 0.9 * whole).all()


def test_products_are_drawn_where_the_prior_knows_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "sample", "runs/flow", "0 + 1", "--mix", "product")
    assert "the prior of flow only adds conditions and cannot multiply densities; drop --mix" in text


def test_an_edit_to_what_it_is_reconstructs(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"test:{number}" for number in range(20)]
    plain = zoo.reconstruct("runs/flow", names, device="cpu")
    for options in (
        {"to": "3", "source": "three"},
        {"to": "4", "source": "3", "strength": 0},
        {"to": "4", "strength": 0},
    ):
        edited = zoo.edit("runs/flow", names, **options, device="cpu")
        assert torch.allclose(edited.pictures, plain.pictures, atol=1e-4)
        assert edited.names == plain.names == tuple(names)
        assert torch.equal(edited.originals, plain.originals)
    found = told(capsys, "edit", "runs/flow", *names[:3], "--from", "3", "--to", "0.5 4 + 0.5 3", "-o", "page.png")
    assert found["pictures"] == 3
    assert Path("page.png").exists()
    other = zoo.edit("runs/flow", names, "0", device="cpu")
    assert not torch.allclose(other.pictures, plain.pictures, atol=0.1)


def test_what_is_said_by_neither_text_stays() -> None:
    names = [f"test:{number}" for number in range(100)]
    edited = zoo.edit("runs/flow", names, "0", device="cpu")
    fresh = zoo.sample("runs/flow", "0", 100, device="cpu").pictures

    def ink(pictures: torch.Tensor) -> torch.Tensor:
        return pictures.flatten(1).mean(1)

    together = torch.corrcoef(torch.stack([ink(edited.originals), ink(edited.pictures), ink(fresh)]))[0]
    assert together[1] > 0.4 > together[2] + 0.2


def test_the_likeliest_text_is_the_class(capsys: pytest.CaptureFixture[str]) -> None:
    y = load_test_split(zoo.load("runs/flow")).y[:100]
    found = zoo.score("runs/flow", [f"test:{number}" for number in range(100)], device="cpu")
    assert found.texts == tuple("0123456789")
    right = (found.log_likelihood.argmax(1) == y).float().mean()
    assert right > 0.6
    assert torch.allclose(found.shares.sum(1), torch.ones(100, dtype=torch.float64))
    shown = told(capsys, "score", "runs/flow", "test:0", "none.png", "--text", "3", "--text", "eight", code=3)
    (row,) = shown["scores"]
    assert row["picture"] == "test:0"
    assert row["log_likelihood"] == pytest.approx(
        {"3": found.log_likelihood[0, 3].item(), "eight": found.log_likelihood[0, 8].item()}, rel=1e-4
    )
    assert [each["path"] for each in shown["skipped"]] == ["none.png"]
    assert main(["score", "runs/flow", "test:0", "test:1", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert main(["score", "runs/shades", "test:0", "--device", "cpu"]) == 0


def test_words_are_understood_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (zoo.sample("runs/words", text, 5, device="cpu").pictures for text in ("a picture of a three", "3"))
    assert first.shape == second.shape
    assert "unknown word 'cat'; known: 0, zero, 1, one" in refused(capsys, "sample", "runs/words", "cat")


def test_a_flow_may_learn_after_the_codec_and_from_sums_of_pictures() -> None:
    options = ("prior.joint=false", "prior.mixup=0.5", "text.kind=words", "train.stages.prior.epochs=3")
    run = zoo.train("linear", *FLOW, *options, "train.epochs=2", device="cpu").run
    assert [(row["stage"], row["epoch"]) for row in zoo.load(run).log()] == [
        *(("codec", epoch) for epoch in (1, 2)),
        *(("prior", epoch) for epoch in (1, 2, 3)),
    ]
    codec, joint = (zoo.reconstruct(each, n=4, device="cpu").pictures for each in (run, "runs/flow"))
    assert not torch.equal(codec, joint)
    assert zoo.sample(run, "a three", 2, device="cpu").pictures.shape == (2, 1, 8, 8)


def test_pictures_and_their_conditions_are_mixed_alike() -> None:
    x, conditions, shares = torch.rand(6, 1, 2, 2), torch.eye(6), torch.tensor([0.0, 1.0, 0.3])
    pictures, told = interpolate_rows(x, shares), interpolate_rows(conditions, shares)
    torch.testing.assert_close(pictures, (told @ x.flatten(1)).reshape(x.shape))
    assert torch.equal(told[3:], conditions[3:])
    torch.testing.assert_close(told[2], torch.tensor([0, 0.3, 0.7, 0, 0, 0]))
    assert torch.equal(told[:2], conditions[[0, 0]])


def test_a_study_of_a_generator_ends_with_a_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    best = replace(studies.trial(0), run=Path("runs/flow"))
    entry = zoo.load("runs/flow").entry.dump()
    found = replace(studies.study(budget=1, path="runs/flow-study"), entry=entry, trials=[best])
    Path("runs/flow-study").mkdir()
    studies.Engine(monkeypatch)(found)
    assert main(["tune", "linear"]) == 0
    page = Path("runs/flow-study/samples.png")
    assert f"wrote {page}" in capsys.readouterr().err
    with Image.open(page) as image:
        zoo.sample("runs/flow").save("same.png")
        assert image.tobytes() == Image.open("same.png").tobytes()
    studies.Engine(monkeypatch)(replace(found, trials=[replace(best, run=Path("runs/gone"))]))
    assert main(["tune", "linear"]) == 0
    assert "could not draw samples" in capsys.readouterr().err


def test_what_takes_no_text_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    takes = "its prior 'normal' takes no text"
    assert takes in refused(capsys, "sample", "runs/linear", "--guidance", "1")
    for words in (["mix", "runs/linear", "0", "1"], ["score", "runs/linear", "test:0"]):
        assert takes in refused(capsys, *words)
    assert takes in refused(capsys, "sample", "runs/linear", "--mix", "product")
    assert "its prior is not invertible" in refused(capsys, "edit", "runs/linear", "test:0", "--to", "1")
    assert "its prior is not invertible" in refused(capsys, "edit", "runs/shades", "test:0", "--to", "1")
    assert "neither guidance nor products" in refused(capsys, "sample", "runs/shades", "--guidance", "1")


def test_numbers_that_mean_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "sample", "runs/flow", "--guidance", "nan")
    refused(capsys, "sample", "runs/flow", "--guidance", "1e30")
    with pytest.raises(ZooError, match="unknown mixing rule 'prod'; choose auto, sum, product"):
        zoo.sample("runs/flow", mix="prod", device="cpu")  # type: ignore[arg-type]
    refused(capsys, "mix", "runs/flow", "0", "1", "--steps", "1")
    refused(capsys, "edit", "runs/flow", "test:0", "--to", "1", "--strength", "inf")
    idle = ("--strength", "0", "--guidance", "3")
    assert "has no effect with --strength 0" in refused(capsys, "edit", "runs/flow", "test:0", "--to", "1", *idle)
    assert "none of the pictures could be read" in told_wrong(capsys, "edit", "runs/flow", "no.png", "--to", "1")
    for options in ({"steps": 1}, {"rows": 0}, {"temperature": -1.0}):
        with pytest.raises(ZooError):
            zoo.mix("runs/flow", "0", "1", device="cpu", **options)


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "runs/flow", "0", "-n", "300000000"),
        ("mix", "runs/flow", "0", "1", "--steps", "999999999"),
        ("mix", "runs/flow", "0", "1", "-n", "999999999"),
        ("interpolate", "runs/flow", "test:0", "test:1", "--steps", "2000000"),
    ],
)
def test_more_pictures_than_fit_are_refused_at_once(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--device", "cpu"]) == 2
    assert "more than the 1,000,000 that are made at a time; ask for fewer" in capsys.readouterr().err


def told_wrong(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command says on stderr that finds no picture."""
    capsys.readouterr()
    assert main([*words, "--device", "cpu"]) == 3
    return capsys.readouterr().err


PAGES = [
    (["mix", "runs/flow", "0", "1", "--steps", "3", "-n", "1"], "mixes", "from 0 to 1 in 3 steps"),
    (["edit", "runs/flow", "test:0", "--to", "3"], "edits", "above: originals; below: edited to 3"),
    (["reconstruct", "runs/linear", "test:0"], "reconstructions", "above: originals; below: reconstructions, PSNR "),
    (["interpolate", "runs/linear", "test:0", "test:1", "--steps", "3"], "interpolations", "from test:0 to test:1"),
]


@pytest.mark.parametrize(("words", "folder", "expected"), PAGES)
def test_each_page_has_its_caption(
    words: list[str], folder: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[tuple[str, Image.Image]] = []

    def record(page: Image.Image, caption: str) -> Image.Image:
        pages.append((caption, with_caption(page, caption)))
        return pages[-1][1]

    monkeypatch.setattr("zoo.display.grid.with_caption", record)
    assert main([*words, "--device", "cpu"]) == 0
    ((caption, page),) = pages
    assert caption.startswith(expected)
    with Image.open(Path(words[1], folder, "0001.png")) as written:
        assert written.convert("RGB").tobytes() == page.convert("RGB").tobytes()
