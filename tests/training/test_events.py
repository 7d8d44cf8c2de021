"""`--track` and `callbacks`: what callbacks are told, what happens to one that fails, and that numbers stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import listener
import pytest

import zoo
from tests.conftest import TINY, Install
from zoo.cli import main
from zoo.core.errors import InterruptedRun, JobError, ZooError
from zoo.registry import EpochEnded, EvaluationEnded, Event, EventCallback, TrainingEnded
from zoo.runs.metrics_log import read_rows
from zoo.runs.run import Run
from zoo.training.callbacks import Callback

Capture = pytest.CaptureFixture[str]
TRAIN = ["train", "cnn", *TINY, "--device", "cpu"]
TRAINING = ["TrainingStarted", "EpochEnded", "EpochEnded", "TrainingEnded", "closed"]


@pytest.fixture
def lines(install: Install) -> None:
    """The plugin whose callback writes lines."""
    install("lines", listener.PLUGIN, harmless=True)


class Keeper(EventCallback):
    """Keep what is told, and do something at each event."""

    def __init__(self, act: Callable[[Event], Any] = len) -> None:
        self.events: list[Event] = []
        self.act, self.closed = act, 0

    def event(self, event: Event) -> None:
        self.events.append(event)
        self.act(event)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.usefixtures("lines")
def test_a_training_tells_its_start_its_epochs_and_its_end_and_changes_no_number(
    trained: Path, capsys: Capture
) -> None:
    assert main([*TRAIN, "--track", "lines", "--json", "--out", "mine"]) == 0
    out, err = capsys.readouterr()
    found, before = json.loads(out), Run.open(trained)
    assert "heard EpochEnded" in err
    assert found["weights_sha256"] == before.record["weights_sha256"]
    assert Run.open(Path("mine")).record["entry_sha256"] == before.record["entry_sha256"]
    assert listener.names() == TRAINING
    start, first, second, end, _ = listener.events()
    assert (start["run"], start["entry"], start["resumed"], start["group"]) == ("mine", "cnn", False, "")
    assert start["config"]["model"]["first"] == 4
    assert start["parameters"] == before.record["parameters"]
    rows = read_rows(Path("mine/metrics.jsonl"))
    assert rows == read_rows(trained / "metrics.jsonl")
    for number, (row, event) in enumerate(zip(rows, (first, second), strict=True), 1):
        assert {key: event[key] for key in row} == row
        assert (event["number"], event["of"]) == (number, 2)
    assert end["metrics"] == found["metrics"]
    assert (end["epochs"], end["weights_sha256"]) == (2, found["weights_sha256"])


@pytest.mark.usefixtures("lines")
def test_one_that_fails_is_named_once_and_left_out_while_others_go_on(capsys: Capture) -> None:
    track = ["--track", "lines fail=EpochEnded file=bad.jsonl", "--track", "lines"]
    assert main([*TRAIN, *track]) == 0
    err = capsys.readouterr().err
    assert err.count("left out") == 1
    assert "the callback lines failed and is left out: RuntimeError: no room" in err
    assert listener.names("bad.jsonl") == ["TrainingStarted", "EpochEnded", "closed"]
    assert listener.names() == TRAINING


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("track", "says"),
    [
        ("linse", "no callback kind 'linse'; did you mean 'lines'?"),
        ("lines fiel=a", "lines.fiel is not an option; its options: file, fail"),
        ("file=a", "'file=a' is not a callback; write a name and options, such as 'wandb project=digits'"),
    ],
)
def test_a_wrong_callback_is_refused_before_anything_trains(track: str, says: str, capsys: Capture) -> None:
    assert main([*TRAIN, "--track", track]) == 2
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("home")
def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(ZooError, match="3 is not a callback"):
        zoo.train("cnn", *TINY, callbacks=[3])  # type: ignore[list-item]


@pytest.mark.usefixtures("home")
def test_a_resumed_training_has_the_same_id_and_the_same_weights(trained: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded):
            import signal

            signal.raise_signal(signal.SIGINT)

    first, second = Keeper(stop), Keeper()
    with pytest.raises(InterruptedRun):
        zoo.train("cnn", *TINY, out="mine", device="cpu", callbacks=[first])
    done = zoo.train("cnn", *TINY, out="mine", device="cpu", callbacks=[second])
    assert done.weights_sha256 == Run.open(trained).record["weights_sha256"]
    begun, epoch, failed = first.events
    assert (type(failed).__name__, failed[1]) == ("TrainingFailed", "interrupted")
    assert isinstance(epoch, EpochEnded)
    again, *rest = second.events
    assert begun._replace(resumed=True) == again  # type: ignore[call-arg]
    assert [type(event) for event in rest] == [EpochEnded, TrainingEnded]
    assert (first.closed, second.closed) == (1, 1)


@pytest.mark.usefixtures("home")
def test_a_training_that_diverges_says_so() -> None:
    class Diverging(Callback):
        def epoch(self, row: dict[str, Any]) -> None:
            raise JobError("the loss is not finite")

    keeper = Keeper()
    with pytest.raises(JobError):
        zoo.train("cnn", *TINY, device="cpu", callback=Diverging(), callbacks=[keeper])
    failed = keeper.events[-1]
    assert (type(failed).__name__, failed[1]) == ("TrainingFailed", "diverged")
    assert "not finite" in str(failed[2])
    assert keeper.closed == 1


@pytest.mark.usefixtures("lines")
def test_an_evaluation_tells_its_metrics_with_the_id_of_the_training(run: Path) -> None:
    assert main(["evaluate", str(run), "--track", "lines", "--device", "cpu"]) == 0
    found = json.loads((run / "evaluation/test.json").read_text(encoding="utf-8"))
    (event, _) = listener.events()
    assert (event["event"], event["split"], event["pictures"]) == ("EvaluationEnded", "test", found["pictures"])
    assert event["metrics"] == found["metrics"]
    assert event["group"] == ""
    keeper = Keeper()
    zoo.evaluate(run, device="cpu", callbacks=[keeper])
    assert keeper.events[0][1] == event["id"]
    assert len(event["id"]) == 16


def test_callbacks_are_closed_after_an_evaluation_that_fails(run: Path) -> None:
    keeper = Keeper()
    with pytest.raises(zoo.ZooError, match="not a generator"):
        zoo.evaluate(run, judge="inception", device="cpu", callbacks=[keeper])
    assert keeper.closed == 1


def test_one_that_fails_is_closed_once_even_if_that_fails_too(run: Path) -> None:
    class Broken(Keeper):
        def close(self) -> None:
            super().close()
            raise SystemExit("no connection")

    first, second, told = Broken(lambda event: 1 / 0), Broken(), list[str]()
    zoo.evaluate(run, device="cpu", tell=told.append, callbacks=[first, second])
    assert (first.closed, second.closed) == (1, 1)
    assert [text for text in told if "callback" in text] == [
        "the callback Broken failed and is left out: ZeroDivisionError: division by zero",
        *["the callback Broken failed while it was closed: SystemExit: no connection"] * 2,
    ]


def test_callbacks_are_closed_if_one_after_them_is_wrong() -> None:
    keeper = Keeper()
    with pytest.raises(zoo.ZooError, match="lnies"):
        zoo.train("cnn", *TINY, device="cpu", callbacks=[keeper, "lnies"])
    assert keeper.closed == 1


@pytest.mark.usefixtures("lines")
def test_a_comparison_tells_each_training_and_evaluation_with_its_name() -> None:
    words = ["compare", "cnn", *TINY, "model.norm=none,before", "train.epochs=1", "--device", "cpu"]
    assert main([*words, "--track", "lines", "--name", "norms"]) == 0
    each = ["TrainingStarted", "EpochEnded", "TrainingEnded", "EvaluationEnded"]
    assert listener.names() == [*each, *each, "closed"]
    starts = [event for event in listener.events() if event["event"] == "TrainingStarted"]
    evaluations = [event for event in listener.events() if event["event"] == "EvaluationEnded"]
    assert [event["group"] for event in (*starts, *evaluations)] == ["norms"] * 4
    assert [event["id"] for event in evaluations] == [event["id"] for event in starts]
    assert starts[0]["id"] != starts[1]["id"]
    keeper = Keeper()
    zoo.evaluate(starts[1]["run"], device="cpu", callbacks=[keeper])
    later = keeper.events[0]
    assert isinstance(later, EvaluationEnded)
    assert (later.id, later.group) == (starts[1]["id"], "norms"), "an evaluation by itself belongs to the comparison"
