"""What every command says of the data that it reads."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import write

import zoo
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.data.dataset import Loaded
from zoo.registry.build import build_data
from zoo.registry.listing import load_entry
from zoo.tuning.engine import Engine

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]
TINY = ["model.blocks=2", "model.first=4", "model.last=8", "train.epochs=1"]
DIGITS = (
    "digits: 10 classes (0, 1, 2, 3, 4, 5, 6, 7, ...); 100 training, 179 validation and 359 test pictures of 8x8, grey"
)


def draw(root: Path, *sizes: tuple[int, int], classes: str = "ab", count: int = 10) -> Path:
    """Write noise of the given widths and heights in turn, for each class."""
    random = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            width, height = sizes[number % len(sizes)]
            noise = random.integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(noise).save(root / name / f"{number:02}.png")
    return root


def draw_deep(root: Path, low: int, high: int, classes: str = "ab") -> Path:
    """Write noise of 16 bits within some levels, for each class."""
    random = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(5):
            levels = random.integers(low, high, (8, 8), np.uint16)
            levels[0, :2] = low, high - 1
            Image.fromarray(levels).save(root / name / f"{number}.png")
    return root


def notes_of(root: Path, *overrides: str) -> tuple[str, ...]:
    """The notes on a set, which the Python interface has with the pictures."""
    entry = load_entry("cnn", ["data.kind=folder", f"data.path={root.name}", *overrides])
    splits, _ = build_data(entry.data)
    return splits.notes


def test_every_command_that_reads_data_says_the_same_of_it_once(capsys: Capture) -> None:
    data = ["--data", "digits", "data.limit=100"]
    assert main(["train", "cnn", *TINY, *data, "--out", "run", "--device", "cpu"]) == 0
    assert capsys.readouterr().err.count(f"{DIGITS}\n") == 1
    assert json.loads(Path("run/run.json").read_text())["notes"] == [DIGITS]
    for words in (
        ["evaluate", "run"],
        ["compare", "cnn", *TINY, *data, "model.last=8,9"],
        ["bench", "cnn", *TINY[:3], *data, "--seconds", "0.2"],
    ):
        assert main([*words, "--device", "cpu"]) == 0
        out, err = capsys.readouterr()
        assert err.count(f"{DIGITS}\n") == 1, words[0]
        assert DIGITS not in out


def test_a_study_says_it_once(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def enough(engine: Engine, pictures: dict[str, object]) -> None:
        assert str(pictures["notes"])
        raise ZooError("enough")

    monkeypatch.setattr(Engine, "run_trials", enough)
    monkeypatch.setattr("zoo.tuning.engine.ray_cluster", lambda *about: nullcontext())
    monkeypatch.setattr("zoo.tuning.engine.import_module", lambda name: None)
    assert main(["tune", "cnn", *TINY, "--data", "digits", "data.limit=100", "--trials", "1"]) == 2
    out, err = capsys.readouterr()
    assert "error: enough" in err
    assert err.count(f"{DIGITS}\n") == 1
    assert DIGITS not in out


def test_pictures_of_several_sizes_that_are_resized_are_said() -> None:
    (line,) = notes_of(draw(Path("set"), (16, 16), (30, 20), (12, 40)))
    assert line.endswith("pictures of 16x16, in colour; cropped and resized from 3 sizes, 16x16 to 30x20")
    (line,) = notes_of(Path("set"), "data.size=8", "data.fit=squash", "data.channels=1")
    assert line.endswith("pictures of 8x8, grey; resized from 3 sizes, 16x16 to 30x20")
    (line,) = notes_of(draw(Path("same"), (16, 12)))
    assert line.endswith("14 training, 2 validation and 4 test pictures of 16x12, in colour")
    for _ in range(2):  # also from the cache
        (line,) = notes_of(draw(Path("large"), (80, 80)))
        assert line.endswith("pictures of 64x64, in colour; cropped and resized from 80x80")


@pytest.mark.parametrize(("low", "high", "said"), [(0, 4096, True), (30_000, 32_000, True), (0, 65_536, False)])
def test_pictures_of_16_bits_with_few_levels_are_said(low: int, high: int, said: bool) -> None:
    notes = notes_of(draw_deep(Path("set"), low, high))
    assert (f"use only the levels {low} to {high - 1} of 65,536" in notes[0]) is said


def test_a_set_of_equal_pictures_is_said(capsys: Capture) -> None:
    draw_deep(Path("set"), 0, 200)  # black in 8 bits
    assert main(["train", "cnn", *TINY, "--data", "set", "--device", "cpu"]) == 0
    err = capsys.readouterr().err
    assert "all training pictures are equal" in err
    assert "levels 0 to 199" in err
    assert len(notes_of(Path("set"))) == 2
    assert len(notes_of(draw(Path("other"), (8, 8)))) == 1


def test_values_of_floating_point_and_32_bits_are_kept_within_their_range() -> None:
    for name, values in (("a", np.full((4, 4), 0.5, np.float32)), ("b", np.full((4, 4), 128.0, np.float32))):
        Path("set", name).mkdir(parents=True)
        Image.fromarray(values).save(Path("set", name, "0.tiff"))
    Path("set/c").mkdir()
    Image.fromarray(np.full((4, 4), 1_000_000, np.int32)).save("set/c/0.tiff")
    entry = load_entry("cnn", ["data.kind=folder", "data.path=set"])
    loaded: Loaded = entry.data.kind.load(entry.data.spec)
    assert loaded.train.x[:, 0, 0, 0].tolist() == [128, 128, 255]


def test_pictures_that_cannot_be_read_are_said() -> None:
    write(draw(Path("set"), (8, 8), count=50) / "a" / "bad.png", b"no picture")
    assert notes_of(Path("set"))[0].endswith("not readable: a/bad.png (not a picture of a known format)")


def test_predict_reads_the_same_files_and_says_what_it_leaves_out(capsys: Capture) -> None:
    draw(Path("set"), (8, 8))
    zoo.train("cnn", *TINY, "data.kind=folder", "data.path=set", out="run", device="cpu")
    new = draw(Path("new"), (8, 8), classes="x", count=1)
    Image.open("new/x/00.png").save("new/x/01.tif")
    Image.open("new/x/00.png").save("new/x/02.jfif", "JPEG")
    for name in ("notes.txt", "Thumbs.db"):
        write(new / name, b"")
    assert main(["predict", "run", "new", "--json", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["predictions"]) == 3
    assert "left out: .txt files (1), files of the system (1)\n" in err
