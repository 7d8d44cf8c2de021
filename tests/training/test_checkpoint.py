"""What a training leaves behind to go on from: savings, the log, the average of the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zoo.core.notes import collect_notes
from zoo.runs.metrics_log import MetricsLog
from zoo.training.checkpoint import StateFolder
from zoo.training.ema import WeightAverage

NAN = float("nan")


def row(epoch: int, accuracy: float = 0.5) -> dict[str, Any]:
    """The figures of an epoch."""
    valid = {"loss": 1 / epoch, "accuracy": accuracy}
    return {"stage": "model", "epoch": epoch, "train": {"loss": 2 / epoch}, "valid": valid, "lr": 0.1}


def save(state: StateFolder, step: int) -> None:
    """One saving."""
    state.save({"model": {"weight": torch.full((3,), float(step))}}, {"step": step})


def names(path: Path) -> set[str]:
    """The files in a folder."""
    return {file.name for file in path.iterdir()}


def keep_mapped(monkeypatch: pytest.MonkeyPatch, mapped: set[str]) -> None:
    """Refuse to delete some files, as Windows does while their tensors are mapped into memory."""
    real = Path.unlink

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self.name in mapped:
            raise PermissionError(13, "Permission denied", str(self))
        real(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)


def test_a_saving_that_is_still_mapped_goes_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, mapped = StateFolder(tmp_path / "state", 0), {"000001.safetensors"}
    keep_mapped(monkeypatch, mapped)
    for step in (1, 2, 3):
        save(state, step)
    assert names(state.path) == {"manifest.json", *(f"00000{number}.safetensors" for number in (1, 2, 3))}
    loaded = state.load()
    assert loaded
    assert (loaded[0]["model"]["weight"].tolist(), loaded[1]) == ([3.0] * 3, {"step": 3})
    mapped.clear()
    save(state, 4)
    assert names(state.path) == {"manifest.json", "000003.safetensors", "000004.safetensors"}


def test_a_training_that_is_done_leaves_what_is_still_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, mapped = StateFolder(tmp_path / "state", 0), {"000001.safetensors"}
    keep_mapped(monkeypatch, mapped)
    save(state, 1)
    save(state, 2)
    state.clear()
    assert names(state.path) == mapped
    assert StateFolder(state.path, 0).load() is None
    mapped.clear()
    state.clear()
    assert not state.path.exists()
    state.clear()


@pytest.mark.parametrize(("count", "ends"), [(1, ["over"]), (2, ["checkpoint", "over"])])
def test_a_note_on_a_damaged_checkpoint_says_what_follows(count: int, ends: list[str], tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state", 0)
    for step in range(count):
        save(state, step)
    for file in state.path.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    assert state.load() is None
    texts = {"over": "; the training starts over", "checkpoint": "; trying the previous checkpoint"}
    assert [note.endswith(texts[end]) for note, end in zip(state.notes, ends, strict=True)] == [True] * count


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    """Steps and values that TensorBoard shows."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_shows_every_epoch_once_after_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    log = MetricsLog(tmp_path)
    log.rewind(0)
    for epoch in (1, 2, 3):
        log.add(row(epoch, accuracy=0.1))
    log.close()
    again = MetricsLog(tmp_path)
    again.rewind(2)
    for epoch in (3, 4):
        again.add(row(epoch, accuracy=0.9))
    again.close()
    found = points(tmp_path, "model/accuracy/valid")
    assert [step for step, _ in found] == [1, 2, 3, 4]
    assert [value for _, value in found] == pytest.approx([0.1, 0.1, 0.9, 0.9])
    assert [line["epoch"] for line in MetricsLog(tmp_path).rows] == [1, 2, 3, 4]


def test_a_metric_that_is_not_finite_is_null_and_no_point(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.rewind(0)
    for epoch, accuracy in ((1, 0.5), (2, NAN), (3, float("inf")), (4, 0.25)):
        log.add(row(epoch, accuracy))
    log.close()
    lines = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["valid"]["accuracy"] for line in lines] == [0.5, None, None, 0.25]
    again = MetricsLog(tmp_path)
    again.rewind(4)
    again.close()
    assert again.rows == lines
    pytest.importorskip("tensorboard")
    assert points(tmp_path, "model/accuracy/valid") == [(1, 0.5), (4, 0.25)]
    assert [step for step, _ in points(tmp_path, "model/loss/valid")] == [1, 2, 3, 4]


def test_a_broken_tensorboard_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")

    def broken(*_: object, **__: object) -> None:
        raise TypeError("Descriptors cannot be created directly")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter", broken)
    with collect_notes() as notes:
        log = MetricsLog(tmp_path)
        log.rewind(0)
    assert notes == ["no events for TensorBoard: Descriptors cannot be created directly"]
    log.add({"stage": "model", "epoch": 1, "lr": 0.1, "train": {}, "valid": {"loss": 1.0}})
    log.close()
    assert len(MetricsLog(tmp_path).rows) == 1


class Counted(nn.Module):
    """Many layers; counts how often their tensors are listed."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.BatchNorm1d(2) for _ in range(8))
        self.listed = 0

    def state_dict(self, *args: Any, **options: Any) -> Any:
        self.listed += 1
        return super().state_dict(*args, **options)


def test_the_average_lists_the_tensors_once_and_follows_them() -> None:
    module = Counted()
    average = WeightAverage(module, decay=0.5)
    assert module.listed == 1
    assert len(average.names) == 8 * 4
    weight = module.layers[0].weight
    assert isinstance(weight, nn.Parameter)
    with torch.no_grad():
        weight.fill_(3.0)
    average.update(step=100)
    with average.swapped_in():
        assert weight.tolist() == [2.0, 2.0]
    assert weight.tolist() == [3.0, 3.0]
