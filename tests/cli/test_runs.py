"""The command line from training to prediction, and what it shows meanwhile."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from zoo.cli import main
from zoo.cli.commands.evaluate import show_confusion
from zoo.cli.console import Screen
from zoo.cli.views.evaluation import draw_confusion
from zoo.cli.views.progress import ProgressBarCallback, ProgressLines
from zoo.core.errors import DataError
from zoo.display.format import format_duration
from zoo.registry.data_source import data_overrides
from zoo.registry.listing import load_entry, load_registry
from zoo.runs.find import load
from zoo.training.bench import BenchmarkResult
from zoo.training.callbacks import StageInfo

pytestmark = pytest.mark.usefixtures("home")
TINY = ["data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=2", "--device", "cpu"]

Capture = pytest.CaptureFixture[str]


def picture(path: Path, size: tuple[int, int] = (8, 8), colour: str = "white") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_train_prints_a_line_an_epoch_and_the_result_as_json(capsys: Capture) -> None:
    assert main(["train", "cnn", *TINY, "--data", "digits", "--seed", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    done = json.loads(out)
    assert done.keys() == {"run", "epochs", "metrics", "weights_sha256"}
    assert (done["epochs"], done["metrics"].keys()) == (2, {"loss", "accuracy"})
    assert "\x1b" not in err + out
    assert [line for line in err.splitlines() if " epoch 1/2: loss " in line]
    assert [
        line for line in err.splitlines() if " epoch 2/2: loss " in line and "best " in line and "00:00 left" in line
    ]
    run = load(done["run"])
    assert (run.entry.train.seed, run.record["weights_sha256"]) == (3, done["weights_sha256"])


def test_an_interrupted_training_says_how_to_go_on_and_does(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    step = ProgressLines.step

    def press(self: ProgressLines) -> None:
        step(self)
        if self.done == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressLines, "step", press)
        assert main(["train", "cnn", *TINY, "train.batch=50"]) == 130
    err = capsys.readouterr().err
    assert "the state is saved. Resume with: " in err
    assert main(["train", "cnn", *TINY, "train.batch=50"]) == 0
    assert capsys.readouterr().out.startswith(f"{Path('runs/cnn-1')}: 2 epochs; validation loss ")


def test_a_training_that_diverges_exits_1(capsys: Capture) -> None:
    assert (
        main(["train", "cnn", *TINY, "train.optimizer=sgd", "train.lr=100", "train.epochs=20", "model.norm=none"]) == 1
    )
    assert "not finite" in capsys.readouterr().err


def test_evaluate_shows_and_keeps_figures_classes_and_confusion(run: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(run), "model.draws=4"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{run}: 359 test pictures, averaged over 4 region draws\n")
    assert "\x1b" not in out + err
    for text in (
        "loss ",
        "accuracy ",
        "calibration_error ",
        "\nclass  pictures  precision  recall      f1  ROC AUC  avg. precision\n",
        "\ntrue \\ predicted ",
    ):
        assert text in out
    kept = json.loads((run / "evaluation" / "test.json").read_text(encoding="utf-8"))
    assert kept["overrides"] == ["model.draws=4"]
    with Image.open(run / "evaluation" / "test-confusion.png") as image:
        assert image.format == "PNG"
    assert main(["evaluate", "tiny", "--split", "valid", "--json", "--record", "mine.yaml"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"run", "split", "metrics", "per_class", "confusion"} <= found.keys()
    assert {"loss", "accuracy", "macro_f1"} <= found["metrics"].keys()
    assert found["per_class"].keys() == set("0123456789")
    assert {"accuracy", "precision", "recall", "f1"} <= found["per_class"]["7"].keys()
    assert np.trace(found["confusion"]) == round(found["metrics"]["accuracy"] * found["pictures"])
    assert load_registry(["mine.yaml"])[0].results[-1]["split"] == "valid"


def test_an_evaluation_that_cannot_be_kept_is_still_shown(run: Path, capsys: Capture) -> None:
    (run / "evaluation").touch()
    assert main(["evaluate", str(run), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["files"] == []
    assert "could not save the evaluation" in err


def test_predict_reads_files_and_folders(run: Path, capsys: Capture) -> None:
    picture(Path("a.png"))
    picture(Path("more/deep/b.JPG"), (30, 20))
    Path("more/notes.txt").write_text("not a picture", encoding="utf-8")
    Path("more/bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert main(["predict", str(run), "a.png", "more", "gone.png", "--json"]) == 3
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [row["path"] for row in found["predictions"]] == ["a.png", str(Path("more/deep/b.JPG"))]
    assert all(row["label"] in "0123456789" and 0.1 <= row["probability"] <= 1 for row in found["predictions"])
    assert {row["path"] for row in found["skipped"]} == {str(Path("more/bad.png")), "gone.png"}
    assert "skipped gone.png: " in err and err.endswith("error: gone.png could not be read\n")
    assert main(["predict", str(run), "a.png", "more"]) == 0, "a folder may have files that are no pictures"
    capsys.readouterr()
    assert main(["predict", str(run), "a.png"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["picture", "class", "probability"]


def test_predict_exits_3_if_nothing_can_be_read(run: Path, capsys: Capture) -> None:
    Path("empty").mkdir()
    assert main(["predict", str(run), "gone.png", "empty", "--json"]) == 3
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["predictions"], len(found["skipped"])) == ([], 2)
    assert err.endswith("error: none of the pictures could be read\n")


def test_data_is_a_kind_a_folder_of_classes_or_parquet_files(home: Path) -> None:
    assert data_overrides("digits") == ["data.kind=digits"]
    assert data_overrides("acme:shapes") == ["data.kind=acme:shapes"]
    picture(home / 'my "pets": # all' / "cat" / "a.png")
    words = data_overrides('my "pets": # all')
    chosen = load_entry("cnn", words)
    assert (chosen.data.name, chosen.data.dump()["path"]) == ("folder", str(home / 'my "pets": # all'))
    (home / "hub" / "data").mkdir(parents=True)
    (home / "hub" / "data" / "train-0.parquet").touch()
    assert data_overrides("hub")[0] == "data.kind=parquet"
    assert data_overrides("hub/data/train-0.parquet")[0] == "data.kind=parquet"
    picture(home / "flat" / "a.png")
    assert data_overrides("flat")[0] == "data.kind=folder"
    (home / "bare").mkdir()
    (home / "bare" / "a.heic").touch()
    with pytest.raises(DataError, match=r"bare has neither pictures .*; left out: .heic files \(1\)"):
        data_overrides("bare")
    with pytest.raises(DataError, match="did you mean 'digits'"):
        data_overrides("digts")


@pytest.mark.parametrize("text", ["C:\\missing", "C:missing", "C:/missing", "c:digits", "photos:2024/cats", "http://x"])
def test_a_path_that_is_not_there_is_no_kind_of_a_plugin(text: str) -> None:
    with pytest.raises(DataError, match="is neither a data kind"):
        data_overrides(text)


def test_a_run_of_a_folder_is_evaluated_from_another_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label, colour in (("cat", "white"), ("dog", "black")):
        for number in range(10):
            picture(home / "pets" / label / f"{number}.png", colour=colour)
    tiny = [*TINY[1:], "train.augment.pad=0"]
    assert main(["train", "cnn", *tiny, "--data", "pets", "--out", "run"]) == 0
    (home / "elsewhere").mkdir()
    monkeypatch.chdir(home / "elsewhere")
    assert main(["evaluate", "../run", "--device", "cpu"]) == 0


def test_bench_prints_whatever_was_measured(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    asked: list[Any] = []

    def bench(*args: str, **options: Any) -> BenchmarkResult:
        asked.append((args, options))
        return BenchmarkResult(
            "cnn", "digits", "model", "eager", 128, 2, 1234.5, 1000.0, 1.23, 15_660_000, None, 1e12, None
        )

    monkeypatch.setattr("zoo.training.bench.bench", bench)
    assert main(["bench", "cnn", "model.first=4", "--seconds", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["achieved_flops"], found["how"]) == (None, "eager")
    assert asked == [(("cnn", "model.first=4"), {"seconds": 3.0, "stage": None, "device": "auto", "registries": ()})]
    assert main(["bench", "cnn"]) == 0
    lines = {line[:26].rstrip(): line[26:].strip() for line in capsys.readouterr().out.splitlines()}
    assert lines["pictures per second"] == "1,234"
    assert lines["training flops per picture"] == "15,660,000"
    assert lines["achieved flops"] == "unknown"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bar_fits_its_terminal(width: int) -> None:
    bar = ProgressBarCallback(load_entry("cnn"), Screen())
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True)
    bar.stage(StageInfo("model", 20, 375, 375 * 11, 128))
    for _ in range(312):
        bar.step()
    bar.epoch({"epoch": 11, "train": {"loss": 0.0931}, "valid": {"loss": 0.0904, "accuracy": 0.97}, "best": True})
    console.print(bar)
    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert "12/20" in lines[0]
    assert "vloss 0.0904" in lines[0]
    assert " left" in lines[0]
    assert ("pictures/s" in lines[0] or "/s" in lines[0]) == (width > 40)


def test_the_bar_has_a_sparkline_of_the_validation_loss() -> None:
    bar = ProgressBarCallback(load_entry("cnn"), Screen())

    def line(**options: Any) -> str:
        out = io.StringIO()
        Console(file=out, width=120, force_terminal=True, **options).print(bar)
        return out.getvalue()

    for stage in ("one", "two"):
        bar.stage(StageInfo(stage, 20, 10, 0, 128))
        for epoch, loss in enumerate([3.0, 2.0, 1.0], 1):
            for _ in range(10):
                bar.step()
            bar.epoch({"epoch": epoch, "train": {"loss": 0.1}, "valid": {"loss": loss}, "best": True})
            assert ("vloss 2 █▁ best" in line()) == (epoch == 2), "one epoch is no curve, and a stage begins anew"
    assert "vloss 1 █▅▁ best" in line()


def test_the_pace_forgets_what_is_long_ago(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    now = [100.0]
    monkeypatch.setattr("zoo.cli.views.progress.time.monotonic", lambda: now[0])
    lines = ProgressLines(load_entry("cnn", ["train.batch=1000"]), Screen())
    lines.stage(StageInfo("model", 2, 100, 0, 10))  # a set that is smaller than the batch asked for
    now[0] += 60  # a compiler
    lines.step()
    capsys.readouterr()
    for _ in range(50):
        now[0] += 1
        lines.step()
    err = capsys.readouterr().err
    assert "epoch 1/2: step 31/100, 10 pictures/s, 02:49 left" in err
    assert err.count("\n") == 1
    for _ in range(70):
        now[0] += 0.5
        lines.step()
        lines.sample()
    assert lines.rate == pytest.approx(20, rel=0.05)
    assert format_duration(3725.4) == "1:02:05"


def test_many_classes_are_told_by_their_worst_confusions(capsys: Capture) -> None:
    matrix = (np.eye(30, dtype=int) * 50).tolist()
    matrix[3][7] = 9
    show_confusion(Screen(), matrix, [f"class {number}" for number in range(30)])
    rows = capsys.readouterr().out.splitlines()
    assert rows[1].split() == ["class", "3", "class", "7", "9"]
    assert len(rows) == 2


@pytest.mark.parametrize("classes", [2, 100])
def test_the_confusion_picture_is_drawn_for_any_class_names(home: Path, classes: int) -> None:
    names = ["$\\frac{$", "日本", *(f"a class with a long name {number}" for number in range(98))][:classes]
    draw_confusion(home / "c.png", np.ones((classes, classes), int).tolist(), names, "runs/$x")
    with Image.open(home / "c.png") as image:
        assert image.width >= 400


class Terminal(io.StringIO):
    """What a terminal would get."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *argv: str, **env: str) -> str:
    terminal: Any = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    for key, value in {"COLUMNS": str(columns), "TERM": "xterm-256color", **env}.items():
        monkeypatch.setenv(key, value)
    assert main(argv) == 0
    return str(terminal.getvalue())


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in on_terminal(monkeypatch, 100, "plugins")
    assert "\x1b[" not in on_terminal(monkeypatch, 100, "plugins", "--plain")
    assert "\x1b[" not in on_terminal(monkeypatch, 100, "plugins", TERM="dumb")
    assert "\x1b[" not in on_terminal(monkeypatch, 100, "plugins", NO_COLOR="1")


@pytest.mark.parametrize("columns", [40, 80])
def test_tables_fit_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    for argv in (["list"], ["plugins"], ["show", "cnn", "--options"]):
        text = on_terminal(monkeypatch, columns, *argv, NO_COLOR="1")
        assert max(map(len, text.splitlines())) <= columns
        assert "…" not in text
