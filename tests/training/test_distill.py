"""A classifier learns from a trained run: the loss of Hinton et al., the same after a kill, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from notes import Notes
from torch import Tensor

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import DataError, ZooError
from zoo.core.files import digest, write_json
from zoo.core.trust import load_json
from zoo.core.types import Batch, Losses
from zoo.models.base import Classifier
from zoo.models.distillation import Distillation
from zoo.testing.toys import LinearClassifier, batch_of, info_of
from zoo.training.callbacks import Callback
from zoo.training.distill import check_teacher
from zoo.training.probe import losses_call

SMALL = ("model.blocks=2", "model.first=4", "model.last=4", "data.limit=200", "train.batch=50", "train.epochs=2")
TEACHER = "train.teacher=tiny-1"
pytestmark = pytest.mark.usefixtures("run")


def train(*words: str, out: str = "pupil", callback: Callback | None = None) -> Path:
    """Train a tiny network."""
    return zoo.train("cnn", *SMALL, *words, out=out, device="cpu", callback=callback).run


def test_the_loss_is_that_of_the_paper() -> None:
    info = info_of()
    teacher, pupil, batch = LinearClassifier(info).eval(), LinearClassifier(info), batch_of(info)
    scores = pupil(batch.x)
    hard = torch.nn.functional.cross_entropy(scores, batch.y)
    with torch.no_grad():
        q = (teacher(batch.x) / 3).softmax(1)
    divergence = (q * (q.log() - (scores / 3).log_softmax(1))).sum(1).mean()
    pupil.distillation = Distillation(teacher, 3.0, 0.25)
    found = pupil.losses(batch)
    assert set(found) == {"loss"}
    assert found["loss"].item() == pytest.approx((0.75 * hard + 0.25 * 9 * divergence).item(), rel=1e-5)
    found["loss"].backward()  # type: ignore[no-untyped-call]
    assert pupil.layer.weight.grad is not None
    assert teacher.layer.weight.grad is None
    assert not [name for name in pupil.state_dict() if "teacher" in name], "the teacher is not saved with the model"
    assert pupil.metrics(batch)["loss"].item() == pytest.approx(hard.item())


def test_a_loss_that_calls_that_of_the_base_class_is_one() -> None:
    class More(LinearClassifier):
        def losses(self, batch: Batch) -> Losses:
            return super().losses(batch)

    class Own(LinearClassifier):
        def losses(self, batch: Batch) -> Losses:
            return {"loss": self(batch.x).square().mean()}

    info = info_of()
    model = More(info)
    state = torch.random.get_rng_state()
    assert losses_call("distillation", model, batch_of(info))
    assert model.training
    assert model.distillation is None
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not losses_call("distillation", Own(info), batch_of(info))


def test_trying_a_loss_that_fails_leaves_the_model_as_it_was() -> None:
    class Failing(LinearClassifier):
        def losses(self, batch: Batch) -> Losses:
            raise ValueError("no")

    model = Failing(info_of())
    model.layer.eval()
    with pytest.raises(ValueError, match="no"):
        losses_call("distillation", model, batch_of(info_of()))
    assert model.training
    assert not model.layer.training, "a layer may be frozen"
    assert model.distillation is None


def test_the_teacher_sees_the_memory_format_of_the_training() -> None:
    class Teacher(LinearClassifier):
        def logits(self, x: Tensor) -> Tensor:
            assert x.is_contiguous(memory_format=torch.channels_last), "a copy in each step"
            return super().logits(x)

    info = info_of((3, 8, 8))
    model, batch = LinearClassifier(info), batch_of(info)
    model.distillation = Distillation(Teacher(info).eval(), 3.0, 0.25)
    model.losses(batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last)))


def test_it_learns_from_the_run_and_records_it(run: Path) -> None:
    notes = Notes()
    found = zoo.load(train(TEACHER, callback=notes))
    assert f"learns from {run.absolute()} (cnn on digits): weight 0.9, temperature 4" in notes.lines
    about = found.record["distill"]
    assert about == {
        "run": str(run.absolute()),
        "entry": "cnn",
        "weights_sha256": zoo.load(run).record["weights_sha256"],
    }
    assert found.entry.train.teacher == str(run.absolute())
    plain = zoo.load(train(out="plain"))
    assert "teacher" not in plain.entry.dump()["train"]
    assert found.record["weights_sha256"] != plain.record["weights_sha256"]
    only = zoo.load(train(TEACHER, "train.distill_weight=0.000001", out="little")).weights()
    assert all(torch.allclose(value, plain.weights()[name], atol=0.02) for name, value in only.items())


@pytest.mark.parametrize("step", [2, 6])
def test_a_kill_changes_nothing(step: int) -> None:
    words = (TEACHER, "train.save_seconds=0")
    with pytest.raises(SystemExit, match="killed"):
        train(*words, out="killed", callback=Notes(step))
    resumed, whole = (zoo.load(train(*words, out=out)) for out in ("killed", "whole"))
    assert resumed.record["weights_sha256"] == whole.record["weights_sha256"]


@pytest.mark.parametrize(("compiled", "times"), [("on", 2), ("off", 0)])
def test_the_teacher_is_accelerated_with_the_model(
    compiled: str, times: int, monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    found: set[int] = set()

    def note(self: Classifier, autocast: object) -> str:
        found.add(id(self))
        return "noted"

    monkeypatch.setattr(type(zoo.load(run).model()), "accelerate", note)
    train(TEACHER, f"train.compile={compiled}")
    assert len(found) == times, "the model and its teacher"


def test_another_teacher_since_is_refused(run: Path) -> None:
    with pytest.raises(SystemExit, match="killed"):
        train(TEACHER, "train.save_seconds=0", callback=Notes(3))
    record = load_json(run / "run.json")
    record.pop("seal")
    record["weights_sha256"] = "0" * 64
    write_json(run / "run.json", record | {"seal": digest(record)})
    with pytest.raises(DataError, match="have changed since this run began to learn from them"):
        train(TEACHER, "train.save_seconds=0")


def test_a_teacher_of_other_splits_is_noted() -> None:
    notes = Notes()
    train(TEACHER, "data.split_seed=1", callback=notes)
    assert any("trained on other splits, so it may know validation and test pictures" in line for line in notes.lines)


OWN_LOSS = """
from zoo import ModelKind, Spec, hookimpl

def build(spec, info):
    from zoo.testing.toys import LinearClassifier

    class Own(LinearClassifier):
        def losses(self, batch):
            return {"loss": self(batch.x).square().mean()}

    return Own(info)

@hookimpl
def zoo_models():
    yield ModelKind("own", Spec, build)
"""


def test_what_cannot_learn_from_it_is_refused_in_one_line(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("own", OWN_LOSS, harmless=True)
    Path("r.yaml").write_text("version: 1\nentries:\n  own: {data: {kind: digits}, model: {kind: own}}\n", "utf-8")
    with pytest.raises(ZooError, match=r"train.teacher has no effect on Own, which has a loss of its own; drop"):
        zoo.train("own", "data.limit=50", "train.epochs=1", TEACHER, registries=["r.yaml"], device="cpu")
    assert main(["train", "vae", TEACHER, "data.limit=50", "train.epochs=1", "--device", "cpu"]) == 2
    assert "train.teacher is for classifiers, and Generator is not one" in capsys.readouterr().err
    assert main(["train", "cnn", *SMALL, "train.teacher=nobody"]) == 2
    assert "no run 'nobody'" in capsys.readouterr().err
    assert main(["train", "cnn", *SMALL, "train.distill_weight=0.5"]) == 2
    assert "train.distill_weight has no effect without train.teacher" in capsys.readouterr().err


def test_a_teacher_of_other_classes_or_shapes_is_refused(run: Path) -> None:
    taught, info = zoo.load(run), info_of(classes=2)
    model = LinearClassifier(info)
    with pytest.raises(ZooError, match=r"tiny-1 has the classes 0, 1, .*; the data has airplane, bird"):
        check_teacher(taught, model, info)
    wide = taught.info._replace(shape=(1, 16, 16))
    with pytest.raises(ZooError, match=r"takes pictures of shape \(1, 8, 8\); the data has \(1, 16, 16\)"):
        check_teacher(taught, LinearClassifier(wide), wide)
