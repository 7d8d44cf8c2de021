"""`zoo sample`, `zoo reconstruct` and `zoo interpolate`, with a plugin's linear latent models over digits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import refused, told
from linear import PLUGIN, REGISTRY
from PIL import Image
from safetensors.torch import load_file

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.core.files import digest
from zoo.data.dataset import Pictures
from zoo.display.grid import to_uint8
from zoo.generation import reconstruct as encoding
from zoo.runs import inputs
from zoo.runs.inputs import load_test_split
from zoo.runs.run import Run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of these tests are kept, so that each is trained once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def runs(install: Install, home: Path, kept: Path) -> Path:
    """runs/linear-1, a vae without a condition, and runs/shades-1, code words whose prior takes labels."""
    install("linear", PLUGIN, harmless=True)
    (home / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    if not (kept / "runs").exists():
        zoo.train("linear", device="cpu")
        zoo.train("shades", device="cpu")
        shutil.copytree("runs", kept / "runs")
    else:
        shutil.copytree(kept / "runs", "runs")
    return home / "runs"


def draw_digit(path: str) -> None:
    """A picture file that fits the digits."""
    Image.fromarray(np.triu(np.full((16, 16), 255, np.uint8))).save(path)


@pytest.mark.usefixtures("runs")
def test_the_same_seed_gives_the_same_pictures_and_moves_no_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (zoo.sample("linear", n=300, seed=seed, device="cpu") for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.pictures.shape == (300, 1, 8, 8)
    assert first.pictures.dtype == torch.float32
    assert 0 <= first.pictures.min() < first.pictures.max() <= 1
    assert first.labels == ()
    assert torch.equal(first.pictures, again.pictures)
    assert not torch.equal(first.pictures, other.pictures)
    assert len({bytes(picture) for picture in to_uint8(first.pictures)}) > 290


@pytest.mark.usefixtures("runs")
def test_a_lower_temperature_gives_less_varied_pictures() -> None:
    spread = [zoo.sample("linear", temperature=value, device="cpu").pictures.std(0).mean() for value in (0.1, 1.0)]
    assert spread[0] < 0.5 * spread[1]


@pytest.mark.usefixtures("runs")
def test_samples_go_to_the_next_number_in_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    found = [told(capsys, "sample", "linear") for _ in range(2)]
    assert [row["grid"] for row in found] == [str(Path(f"runs/linear-1/samples/000{number}.png")) for number in (1, 2)]
    assert found[0]["files"] == found[0]["labels"] == []
    assert found[0]["pictures"] == 64
    first, second = (Path(row["grid"]).read_bytes() for row in found)
    assert first == second
    Path("runs/linear-1/samples/0041-mine.txt").write_text("notes")
    assert main(["sample", "runs/linear-1", "-n", "5", "--seed", "7"]) == 0
    assert capsys.readouterr().out.startswith(str(Path("runs/linear-1/samples/0042.png: 5 pictures")))
    with Image.open("runs/linear-1/samples/0042.png") as image:
        assert image.mode == "L"
        assert image.width > 200


@pytest.mark.usefixtures("runs")
def test_a_command_opens_the_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, paths = Run.open, list[Path]()

    def counted(path: Path) -> Run:
        paths.append(path)
        return whole(path)

    monkeypatch.setattr(Run, "open", counted)
    assert main(["sample", "linear", "-n", "2"]) == 0
    assert main(["sample", "shades", "3", "-n", "2"]) == 0
    assert main(["reconstruct", "linear", "-n", "2"]) == 0
    assert main(["interpolate", "linear", "test:0", "test:1"]) == 0
    assert [path.name for path in paths] == ["linear-1", "shades-1", "linear-1", "linear-1"]


@pytest.mark.usefixtures("runs")
def test_a_failure_leaves_no_empty_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert main(["sample", "linear"]) == 7
    assert not list(Path("runs/linear-1/samples").iterdir())


@pytest.mark.usefixtures("runs")
def test_tensors_and_separate_pictures_are_those_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["3", "7", "-n", "4", "-o", "out/page.png", "--tensors", "out/x.safetensors"]
    found = told(capsys, "sample", "shades", *words, "--separate")
    assert found["grid"] == "out/page.png"
    assert found["labels"] == ["3", "3", "7", "7"]
    tensors, *separate = found["files"]
    x = load_file(tensors)["pictures"]
    assert [Path(path).name for path in separate] == ["0001-3.png", "0002-3.png", "0003-7.png", "0004-7.png"]
    read = np.stack([np.asarray(Image.open(path)) for path in separate])
    assert np.array_equal(read, (x[:, 0] * 255).round().byte().numpy())
    assert torch.equal(x, zoo.sample("shades", ["3", "7"], 4, device="cpu").pictures)


@pytest.mark.usefixtures("runs")
def test_a_prior_that_takes_labels_gives_a_row_to_every_class() -> None:
    found = zoo.sample("shades", device="cpu")
    names = [str(number) for number in range(10)]
    assert found.labels == tuple(name for name in names for _ in range(7))
    assert found.grid().width > found.grid().height * 0.6
    few = zoo.sample("shades", n=4, device="cpu")
    assert few.labels == ("0", "2", "5", "7")
    twice = zoo.sample("shades", n=6, prompts=["9", "1", "9"], device="cpu")
    assert twice.labels == ("9",) * 3 + ("1",) * 3


@pytest.mark.usefixtures("runs")
def test_labels_that_cannot_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no class '11'; did you mean '1'? Known: 0, 1, 2" in refused(capsys, "sample", "shades", "11")
    assert "no class 'cat'; known: 0, 1, 2" in refused(capsys, "sample", "shades", "3 + cat")
    text = refused(capsys, "sample", "linear", "3")
    assert "linear-1 takes no prompts: its prior 'normal' takes no text; sample without a prompt" in text


@pytest.mark.usefixtures("runs")
def test_numbers_that_mean_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["-n", "0"], ["--temperature", "0"], ["--temperature", "nan"], ["--seed", "-1"], ["-o", "a.jpg"]):
        refused(capsys, "sample", "linear", *words)
    refused(capsys, "interpolate", "linear", "test:0", "test:1", "--steps", "1")
    for options in ({"n": 0}, {"temperature": float("inf")}, {"seed": 2**63}):
        with pytest.raises(ZooError):
            zoo.sample("linear", device="cpu", **options)
    assert not Path("runs/linear-1/samples").exists()


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("words", [["sample"], ["reconstruct"], ["interpolate", "test:0", "test:1"]])
def test_a_classifier_has_nothing_to_sample(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    text = refused(capsys, words[0], "tiny-1", *words[1:])
    assert text.startswith("error: tiny-1 is a classifier, not a generator: there is nothing to ")
    assert text.endswith("; try zoo predict\n")


def test_a_run_that_is_not_finished(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo.load("runs/linear-1").update(state="interrupted", command="zoo train linear")
    (runs / "linear-1/weights.safetensors").unlink()
    assert "has not finished; resume with: zoo train" in refused(capsys, "sample", "runs/linear-1", code=5)


@pytest.mark.usefixtures("runs")
def test_a_model_that_breaks_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("runs/linear-1/entry.json")
    opened = zoo.load("runs/linear-1")
    broken = json.loads(path.read_text())
    broken["model"]["broken"] = True
    path.write_text(json.dumps(broken))
    opened.update(entry_sha256=digest(broken))
    text = refused(capsys, "sample", "runs/linear-1", code=4)
    assert "zoo-linear 1.0" in text
    assert "no way back" in text


@pytest.mark.usefixtures("runs")
def test_codes_far_out_give_pictures_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def wild(self: Any, n: int, *_: Any) -> torch.Tensor:
        return torch.full((n, 8), float("inf"))

    monkeypatch.setattr("zoo_priors.normal.Normal.sample", wild, raising=False)
    found = zoo.sample("linear", n=2, device="cpu")
    assert torch.isfinite(found.pictures).all()


@pytest.mark.usefixtures("runs")
def test_the_first_test_pictures_are_reconstructed(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "reconstruct", "linear", "--tensors", "x.safetensors")
    assert found["pictures"] == 32
    tensors = load_file("x.safetensors")
    errors = (tensors["pictures"] - tensors["originals"]).square().flatten(1).mean(1)
    assert found["mse"] == pytest.approx(errors.mean().item(), rel=1e-5)
    assert found["psnr"] == pytest.approx((-10 * errors.log10()).mean().item(), rel=1e-5)
    variance = (tensors["originals"] - tensors["originals"].mean()).square().mean()
    assert found["mse"] < variance
    assert found["grid"] == str(Path("runs/linear-1/reconstructions/0001.png"))
    same = zoo.reconstruct("linear", n=3, device="cpu")
    assert same.names == ("test:0", "test:1", "test:2")
    # as many pictures, since products of matrices of other sizes may be rounded differently
    other = zoo.reconstruct("linear", ["test:2", "test:0", "test:1"], device="cpu")
    assert torch.equal(other.pictures, same.pictures[[2, 0, 1]])
    assert torch.allclose(same.pictures, tensors["pictures"][:3], atol=1e-6)


@pytest.mark.usefixtures("runs")
def test_many_numbered_pictures_are_one_reading_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Run] = []

    def note(run: Run) -> Pictures:
        loaded.append(run)
        return load_test_split(run)

    monkeypatch.setattr(inputs, "load_test_split", note)
    zoo.reconstruct("linear", [f"test:{number}" for number in range(5)], device="cpu")
    zoo.interpolate("linear", "test:0", "test:1", steps=2, device="cpu")
    assert len(loaded) == 2


@pytest.mark.usefixtures("runs")
def test_picture_files_are_read_as_predict_reads_them(capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    draw_digit("a.png")
    draw_digit("more/b.png")
    Path("more/c.png").write_text("no picture")
    found = told(capsys, "reconstruct", "shades", "a.png", "more", "none.png", code=3)
    assert found["pictures"] == 2
    assert [(row["path"], row["reason"]) for row in found["skipped"]] == [
        (str(Path("more/c.png")), "not a picture of a known format"),
        ("none.png", "No such file or directory"),
    ]
    assert main(["reconstruct", "shades", "a.png", "-o", "page.png"]) == 0
    shown = capsys.readouterr().out
    assert "psnr" in shown
    assert Path("page.png").exists()
    nothing = told(capsys, "reconstruct", "shades", "none.png", code=3)
    assert nothing["grid"] is None
    assert main(["reconstruct", "shades", "none.png"]) == 3
    assert "none of the pictures could be read" in capsys.readouterr().err


@pytest.mark.usefixtures("runs")
def test_a_way_between_two_pictures_is_straight_and_ends_at_them(capsys: pytest.CaptureFixture[str]) -> None:
    draw_digit("a.png")
    told(capsys, "interpolate", "linear", "a.png", "test:12", "--steps", "5", "--tensors", "x.safetensors")
    found = load_file("x.safetensors")["pictures"]
    assert found.shape == (5, 1, 8, 8)
    start = zoo.reconstruct("linear", ["a.png"], device="cpu").pictures[0]
    goal = zoo.reconstruct("linear", n=13, device="cpu").pictures[12]
    assert torch.allclose(found[0], start, atol=1e-5)
    assert torch.allclose(found[-1], goal, atol=1e-5)
    inside = (found > 0).all(0) & (found < 1).all(0)
    assert inside.any()
    assert torch.allclose(found[2][inside], ((start + goal) / 2)[inside], atol=1e-5)
    assert Path("runs/linear-1/interpolations/0001.png").exists()


@pytest.mark.usefixtures("runs")
def test_ends_that_are_not_there_and_words_without_a_way(capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "interpolate", "linear", "test:0", "test:99999", code=3)
    assert "no picture test:99999: the test split has test:0 to test:" in text
    assert "a.png: No such file" in refused(capsys, "interpolate", "linear", "test:0", "a.png", code=3)
    assert "shades-1 has discrete code words" in refused(capsys, "interpolate", "shades", "test:0", "test:1")


@pytest.mark.usefixtures("runs")
def test_many_pairs_are_all_measured_and_the_first_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = zoo.reconstruct("linear", n=100, device="cpu")
    assert len(found.pictures) == 100
    page = found.grid()
    monkeypatch.setattr(encoding, "MAX_PAIRS_ON_PAGE", 100)
    assert found.grid().height > page.height or found.grid().width > page.width
