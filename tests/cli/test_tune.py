"""`zoo tune` and `zoo studies`: the command line, what is shown, and its exit codes."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console
from studies import MIXED, Engine, study, trial

from zoo.cli import main
from zoo.cli.commands.tune import Count, Duration
from zoo.cli.console import Screen
from zoo.cli.views.study_progress import StudyBlock, StudyLines, truncate
from zoo.core.errors import InterruptedRun, JobError, ZooError
from zoo.display.format import format_count
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions
from zoo.tuning.study import ENTRY, Study

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A made-up engine."""
    return Engine(monkeypatch)


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ("gpu", "no device 'gpu'; did you mean 'cuda'?"),
        ("cuda:1", "they cannot all use cuda:1; use --device cuda; the environment variable CUDA_VISIBLE_DEVICES=1"),
        ("mps", "no mps device on this machine"),
    ],
)
def test_a_device_that_no_trial_can_use_is_refused_before_the_study(device: str, text: str, capsys: Capture) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has such a device")
    assert main(["tune", "cnn", "--data", "digits", "--device", device]) == 2
    assert text in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_device_of_another_machine_is_checked_by_its_name() -> None:
    assert ClusterOptions.choose("ray://elsewhere:10001", None, "mps").device == "mps"
    with pytest.raises(ZooError, match="no device 'tpu'"):
        ClusterOptions.choose("ray://elsewhere:10001", None, "tpu")


def test_the_options_reach_the_engine(fake: Engine, capsys: Capture) -> None:
    asked = fake(study("done"))
    words = ["model.blocks=4", "--data", "digits", "--trials", "7", "--time", "1h30m", "--objective", "accuracy"]
    words += ["--max-params", "900k", "--fresh", "--name", "mine", "--parallel", "3", "--device", "cpu"]
    words += ["--from", "old", "--max-flops", "20M", "--max-latency", "1.5"]
    assert main(["tune", "cnn", *words, "--storage", "disk", "--address", "auto", "--bound", "0.5"]) == 0
    assert (asked.pop("name"), asked.pop("overrides")) == ("cnn", ("data.kind=digits", "model.blocks=4"))
    wanted = {"trials": 7, "seconds": 5400.0, "objective": "accuracy", "bound": 0.5, "max_params": 900_000}
    wanted |= {"max_flops": 20_000_000, "max_latency": 1.5, "from_study": "old", "confirm": False}
    wanted |= {"fresh": True, "study": "mine", "address": "auto", "storage": "disk", "parallel": 3}
    assert asked == wanted | {"device": "cpu", "registries": (), "callbacks": ()}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5h", 5400), ("1h30m", 5400)]
)
def test_times(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(("text", "count"), [("900000", 900_000), ("900k", 900_000), ("1.5M", 1_500_000), ("1", 1)])
def test_sizes(text: str, count: int) -> None:
    assert Count().convert(text, None, None) == count


@pytest.mark.parametrize("option", ["--time", "--max-params", "--max-flops"])
@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1d", "1.2.3k", "30m1h", "1h30", "nan", "١٢", "1e400"])
def test_what_is_no_time_or_size_is_told_with_an_example(option: str, text: str, capsys: Capture) -> None:
    assert main(["tune", "cnn", f"{option}={text}"]) == 2
    err = capsys.readouterr().err
    assert "; write " in err and f"; write {option} " in err


def test_elsewhere_than_on_a_terminal_there_is_a_line_for_each_ended_trial(fake: Engine, capsys: Capture) -> None:
    fake(study(*MIXED))
    assert main(["tune", "cnn"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    lines = err.splitlines()
    assert lines[0] == f"cnn on digits, {Path('runs/cnn-study')}, 20 trials, objective loss, 2 at a time"
    ended = [line for line in lines if " cnn-study " in line]
    assert len(ended) == 8  # refused, running and waiting ones have not ended
    assert "cnn-study 1/20: t00000 done, epoch 24/24, loss 0.5, 50,000 parameters; best t00000 loss 0.5; " in ended[0]
    assert "t00001 pruned, epoch 2/24, loss 0.25, 53,101 parameters; best t00000 loss 0.5; pruned 1; " in ended[1]
    assert "t00003 diverged, epoch 1/24, 59,303 parameters: the loss is not finite at step 212; best" in ended[3]
    assert "a note" in lines
    assert out.splitlines()[0].startswith(f"{Path('runs/cnn-study')}: unfinished, 8 of 20 trials (1 running, 1 waiting")
    best = f"best t00008: loss 0.05556, 74,808 parameters, accuracy 0.9, 24 epochs in 00:48; run {place('t00008')}"
    assert out.splitlines()[1] == best
    for text in ("option ", "model.first  48", "train.lr     0.0018", "parameters  ", "cause "):
        assert text in out
    assert next(line for line in out.splitlines() if line.startswith("diverged")).split()[1:3] == ["2", "t00003"]
    assert f"next: zoo evaluate {place('t00008')}" in lines
    assert "resume with: zoo tune cnn --trials 20" in lines


def place(name: str) -> str:
    """The run folder of a trial as it is shown."""
    return str(Path(f"runs/cnn-study/trials/{name}"))


def test_the_command_for_more_names_a_study_that_was_begun_afresh(fake: Engine, capsys: Capture) -> None:
    fake(study("done", "done", budget=2, path="runs/s-2"))
    assert main(["tune", "cnn", "train.epochs=2", "--fresh", "--max-params", "900k", "--time", "9s", "--plain"]) == 0
    more = "for more trials: zoo tune cnn train.epochs=2 --max-params 900000 --plain --name s-2 --trials 4"
    assert more in capsys.readouterr().err.splitlines()


def test_the_command_for_more_names_the_plugins_that_are_left_out(fake: Engine, capsys: Capture) -> None:
    fake(study("done", budget=1))
    assert main(["--no-plugin", "trackers", "tune", "cnn", "--no-plugin", "timm", "--plain"]) == 0
    more = "for more trials: zoo tune cnn --no-plugin trackers --no-plugin timm --plain --trials 2"
    assert more in capsys.readouterr().err.splitlines()


def test_confirming_that_was_cut_short_is_resumed_with_the_same_command(fake: Engine, capsys: Capture) -> None:
    found = study("done", "done", budget=2)
    entry = replace(found.trials[0], start=ENTRY)
    fake(replace(found, trials=[entry, found.trials[1]], confirmed=[trial(0, confirms=(0, 1))]))
    assert main(["tune", "cnn", "--confirm", "--time", "9s", "--plain"]) == 0
    out, err = capsys.readouterr()
    more = "3 of 4 trainings with more seeds are left; resume with: zoo tune cnn --confirm --plain --trials 2"
    assert more in err.splitlines()
    assert "--confirm" not in out and "for more trials" not in err


def test_it_says_that_it_resumes(fake: Engine, capsys: Capture) -> None:
    before = study("done", "waiting", "pruned", "refused", "waiting", budget=9)
    fake(before, before)
    assert main(["tune", "cnn"]) == 0
    note = "resuming: 2 finished, 2 resume from checkpoints, 5 to go; --fresh starts a new study"
    assert note in capsys.readouterr().err.splitlines()


def test_silence_is_broken_and_the_pace_is_that_of_this_call(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    now = [100.0]
    monkeypatch.setattr("zoo.cli.views.study_progress.time.monotonic", lambda: now[0])
    lines = StudyLines(Screen())
    lines.tick()
    lines.begin(study("done", "done", "running", budget=12), 2)
    capsys.readouterr()
    now[0] += 29
    lines.tick()
    assert capsys.readouterr().err == ""
    now[0] += 1
    lines.tick()
    err = capsys.readouterr().err
    assert "cnn-study 2/12: t00002 epoch 7/24; best t00001 loss 0.25; running 1" in err
    assert "left" not in err
    lines.update(study("done", "done", "pruned", "running", budget=12), trial(2, "pruned"))
    assert capsys.readouterr().err.endswith("; 04:30 left\n")
    lines.limit = 60.0
    assert lines.left == 30


def test_json_is_one_document(fake: Engine, capsys: Capture) -> None:
    fake(study(*MIXED, budget=9, objective="efficiency"))
    assert main(["tune", "cnn", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= {"study", "state", "trials", "best", "front", "failures", "files"}
    counts = {"completed": 3, "pruned": 1, "failed": 4, "refused": 1, "running": 1, "waiting": 1}
    assert found["trials"] == counts | {"diverged": 2, "oom": 1, "crashed": 0, "hung": 0, "raised": 1}
    keys = {"run", "number", "objective", "metrics", "loss", "parameters", "config", "epochs", "seconds"}
    assert found["best"].keys() == keys
    assert found["best"]["run"] in {row["run"] for row in found["front"]} | {found["best"]["run"]}
    assert [row["number"] for row in found["front"]] == [0, 2, 8]
    assert [(row["state"], row["number"]) for row in found["failures"]][:2] == [("diverged", 3), ("oom", 4)]
    assert all(Path(path).is_file() for path in found["files"])
    fake(study("running", "waiting"))
    assert main(["tune", "cnn", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["best"], found["front"], found["files"]) == (None, [], [])


class AllFailed(JobError):
    """What the engine raises."""

    study = study("diverged", "failed", "diverged", budget=3)


def test_when_all_failed_the_causes_are_shown(fake: Engine, capsys: Capture) -> None:
    fake(AllFailed.study, error=AllFailed("none of 3 trials finished"))
    assert main(["tune", "cnn"]) == 1
    out, err = capsys.readouterr()
    assert [row.split()[:3] for row in out.splitlines()[1:]] == [
        ["cause", "trials", "first"],
        ["diverged", "2", "t00000"],
        ["error", "1", "t00001"],
    ]
    assert err.endswith("error: none of 3 trials finished\n")
    assert main(["tune", "cnn", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == 1


def test_an_interruption_keeps_its_code(fake: Engine, capsys: Capture) -> None:
    fake(study("done"), error=InterruptedRun("stopped; go on with: zoo tune cnn", 143))
    assert main(["tune", "cnn"]) == 143
    assert capsys.readouterr().err.endswith("stopped; go on with: zoo tune cnn\n")


class Terminal(io.StringIO):
    """What a terminal would get."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def rendered(block: StudyBlock, width: int, height: int = 24) -> list[str]:
    """The block on a terminal of that size."""
    out = io.StringIO()
    plain: dict[str, Any] = {"color_system": None, "highlight": False, "markup": False, "emoji": False}
    Console(file=out, width=width, height=height, force_terminal=True, **plain).print(block)
    return out.getvalue().splitlines()


def block(found: Study) -> StudyBlock:
    """A block that shows a study, some trials of which ended in this call."""
    made = StudyBlock(Screen())
    made.live = Live()
    made.begin(replace(found, trials=[]), 2)
    for number, each in enumerate(found.trials):
        made.update(replace(found, trials=found.trials[: number + 1]), each)
    made.start_time -= 760
    return made


class Live:
    """Where notes go."""

    class console:
        @staticmethod
        def print(text: str) -> None:
            """Nowhere."""


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_the_block_fits_its_terminal(width: int) -> None:
    made = block(study(*MIXED * 4, budget=60, objective="accuracy", max_params=900_000))
    lines = rendered(made, width)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= 23
    text = "\n".join(lines)
    assert "32/60" in text
    assert "t00009" in text and "trial" in text  # one that runs comes first
    if width >= 40:
        assert "12:40" in text and "11:05 left" in text
        assert "running" in text and "7/24" in text and "best t00" in text
    if width >= 60:
        head = next(line for line in lines if line.startswith("trial"))
        assert head.split() == ["trial", "state", "epoch", "loss", "parameters" if width >= 80 else "size", "time"] + [
            "note"
        ] * (width >= 80)
        assert "diverged 8" in text and "2 s/ep" in text
    if width >= 80:
        assert "77,909" in text and "cnn on digits  " in lines[0] and "2 at a time" in lines[0]
        assert "first=32" in text
    if width >= 120:
        assert "at most 900k parameters" in lines[0]
        assert "RuntimeError: a plugin says a great deal" in text


def test_the_table_leaves_room_on_a_low_terminal() -> None:
    made = block(study(*MIXED * 4, budget=60))
    assert "running" in rendered(made, 80, 9)[-2]
    assert len(rendered(made, 80, 9)) == 8
    assert len(rendered(made, 80, 6)) == 4
    made.end(study(*MIXED, budget=60))
    assert len(rendered(made, 80)) == 3
    assert rendered(StudyBlock(Screen()), 80) == ["preparing ..."]


def test_a_terminal_shows_the_block_and_a_pipe_the_result(
    fake: Engine, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    fake(study(*MIXED), study("done", "waiting"))
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    for key, value in {"COLUMNS": "80", "TERM": "xterm-256color", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(key, value)
    assert main(["tune", "cnn"]) == 0
    shown = terminal.getvalue()
    assert "resuming: 1 finished, 1 resume from checkpoints, 18 to go" in shown
    assert "8/20" in shown and "a note" in shown and "\x1b[?25h" in shown
    assert "\x1b" not in capsys.readouterr().out
    terminal.truncate(0)
    assert main(["tune", "cnn", "--plain"]) == 0
    assert "\x1b" not in terminal.getvalue()


def test_a_study_without_anything_to_do_never_begins(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    found = study("done", budget=1)
    monkeypatch.setattr("zoo.tuning.tune.tune", lambda name, callback, **options: callback.end(found) or found)
    assert main(["tune", "cnn"]) == 0
    assert capsys.readouterr().out.startswith(f"{Path('runs/cnn-study')}: done, 1 of 1 trials (1 done)\n")
    over = StudyBlock(Screen())
    over.end(found)
    assert "".join(rendered(over, 80)).strip() == ""


def test_counts_and_texts_are_short() -> None:
    assert [format_count(count) for count in (7, 999, 1000, 87_210, 999_499, 1_500_000)] == [
        *("7", "999", "1k", "87.2k", "999k", "1.5M")
    ]
    assert [truncate("日本日本", 8), truncate("日本日本日", 8), truncate("a\nb", 8)] == ["日本日本", "日本...", "a b"]


def test_studies(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    one, two = study(*MIXED), study(path="runs/empty", budget=3, objective="pareto")
    monkeypatch.setattr("zoo.tuning.study_folder.studies", lambda storage: ([one, two], ["runs/bad is damaged"]))
    assert main(["studies"]) == 0
    out, err = capsys.readouterr()
    heads, first, second = (line.split() for line in out.splitlines())
    assert heads == ["study", "entry", "data", "state", "trials", "best", "parameters", "run"]
    assert first == [
        *("cnn-study", "cnn", "digits", "unfinished", "8/20", "loss", "0.05556", "74,808", place("t00008"))
    ]
    assert second == ["empty", "cnn", "digits", "unfinished", "0/3"]
    assert err == "skipped: runs/bad is damaged\n"
    assert main(["studies", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["studies"]] == ["cnn-study", "empty"]
    assert found["problems"] == ["runs/bad is damaged"]
    monkeypatch.setattr("zoo.tuning.study_folder.studies", lambda storage: ([], []))
    assert main(["studies", "--storage", "elsewhere"]) == 0
    assert "no studies yet" in capsys.readouterr().err


def test_help_is_light() -> None:
    code = "import sys; from zoo.cli import main; main(['tune', '--help']); main(['studies', '--help'])"
    code += "; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--save-as" in done.stdout
    assert not {"torch", "ray", "optuna", "matplotlib"} & set(done.stdout.splitlines()[-1].split())


def test_a_copy_of_a_watch_tells_nobody() -> None:
    made = block(study("done"))
    made.screen.out = Terminal()
    assert type(pickle.loads(pickle.dumps(made))) is TuneCallback
