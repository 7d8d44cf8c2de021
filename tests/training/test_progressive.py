"""Progressive resizing: pictures begin smaller and grow to their full size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from zoo_classifiers.convnet.model import ConvNet
from zoo_classifiers.convnet.spec import ConvNetSpec

import zoo
from tests.conftest import TINY
from zoo import DataInfo
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.core.sections import StageSpec, TrainSpec
from zoo.training.early_stop import EarlyStop
from zoo.training.progressive import MOST_SIZES, check_sizes, is_growing, resize, size_at
from zoo.training.schedule import Schedule

SMALL = ("data.limit=90", "data.kind=digits", "model.first=8", "model.widest=16", "model.depth=1", "train.batch=30")
FULL = (32, 32)


def sizes_of(spec: StageSpec, full: tuple[int, int] = FULL) -> list[tuple[int, int]]:
    return [size_at(spec, full, step / 100) for step in range(101)]


def test_pictures_grow_evenly_and_are_whole_at_the_end() -> None:
    sizes = sizes_of(StageSpec(initial_scale=0.625))
    assert sorted(set(sizes)) == [(20, 20), (24, 24), (28, 28), FULL]
    assert sizes == sorted(sizes)
    assert sizes.index(FULL) == 70, "the last 30 % have pictures of full size"
    counts = [sizes.count(size) for size in sorted(set(sizes))[:-1]]
    assert max(counts) - min(counts) <= 1
    assert [is_growing(StageSpec(initial_scale=0.625), done) for done in (0, 0.69, 0.71)] == [True, True, False]
    assert not is_growing(StageSpec(), 0)
    assert sizes_of(StageSpec(initial_scale=0.625, finetune_fraction=0.6)).index(FULL) == 40
    assert set(sizes_of(StageSpec())) == {FULL}


@pytest.mark.parametrize("full", [(8, 8), (28, 28), (32, 48), (5, 300), (256, 256), (4, 4)])
def test_sizes_suit_pictures_of_any_shape(full: tuple[int, int]) -> None:
    for scale in (0.25, 0.5, 0.9, 0.99):
        sizes = sizes_of(StageSpec(initial_scale=scale), full)
        assert sizes == sorted(sizes) and sizes[-1] == full
        assert len(set(sizes)) <= MOST_SIZES + 1, "each size is compiled anew"
        assert min(min(size) for size in sizes) >= min(4, *full)


def test_shrunk_pictures_are_averages() -> None:
    x = torch.rand(2, 3, 32, 32)
    small = resize(x, (16, 16))
    assert small.shape == (2, 3, 16, 16)
    assert torch.allclose(small.mean((2, 3)), x.mean((2, 3)), atol=0.02)
    assert resize(x, FULL) is x


def test_a_network_learns_from_small_pictures_first_and_is_judged_by_whole_ones(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {True: list[int](), False: list[int]()}
    logits = ConvNet.logits

    def record(model: ConvNet, x: torch.Tensor) -> torch.Tensor:
        seen[model.training].append(x.shape[2])
        return logits(model, x)

    monkeypatch.setattr(ConvNet, "logits", record)
    words = (*SMALL, "train.epochs=10", "train.initial_scale=0.75", "train.finetune_fraction=0.5", "train.compile=off")
    zoo.train("plain-875k", *words, out="run", device="cpu")
    assert seen[True] == [6] * 15 + [8] * 15
    assert set(seen[False]) == {8, 6}, "the smallest size is tried before the training"
    assert seen[False].count(6) == 1


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("cnn", ["data.limit=90"], "has no effect on a model that takes pictures of one size only"),
        ("vae", ["data.limit=90"], "has no effect on a model that takes pictures of one size only"),
        ("plain-875k", [*SMALL, "train.teacher=run"], "a teacher takes pictures of full size only"),
        ("plain-875k", [*SMALL, "train.cache=true"], "train.cache encodes pictures once"),
    ],
)
def test_what_cannot_learn_from_small_pictures_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, words: list[str], message: str
) -> None:
    if "train.teacher=run" in words:
        zoo.train("plain-875k", *SMALL, "train.epochs=2", out="run", device="cpu")
    status = main(["train", name, *words, "train.initial_scale=0.5", "train.epochs=1", "--device", "cpu"])
    err = capsys.readouterr().err
    assert status == 2
    assert message in err and "Traceback" not in err


def test_a_network_whose_maps_would_vanish_is_refused() -> None:
    info = DataInfo.of((3, 16, 16), ("cat", "dog"))
    model = ConvNet(ConvNetSpec(first=8, widest=16), info)
    check_sizes(model, TrainSpec(initial_scale=0.5), info)
    with pytest.raises(ZooError, match=r"ConvNet cannot learn from pictures of 4x4: .*raise train.initial_scale"):
        check_sizes(model, TrainSpec(initial_scale=0.25), info)


def test_its_length_is_refused_without_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "plain-875k", *SMALL, "train.finetune_fraction=0.2"]) == 2
    assert "train.finetune_fraction has no effect without train.initial_scale" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["train.initial_scale=0.5", "train.stages.model.finetune_fraction=0.2"])
def test_the_benchmark_measures_whole_pictures(home: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    words = ["train.initial_scale=0.5"] * option.endswith("finetune_fraction=0.2")
    assert main(["bench", "plain-875k", *SMALL, *words, option]) == 2
    assert "zoo bench, which measures pictures of full size" in capsys.readouterr().err


def test_a_study_is_refused_before_its_first_trial(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "cnn", "data.limit=90", "train.initial_scale=0.5", "--trials", "1"]) == 2
    assert "has no effect on a model that takes pictures of one size only" in capsys.readouterr().err
    assert main(["show", "cnn", "train.initial_scale=0.5"]) == 2


def test_patience_begins_when_pictures_are_whole() -> None:
    spec = StageSpec(patience=2, initial_scale=0.5, finetune_fraction=0.5, schedule="constant", warmup=0)
    schedule, early = Schedule(spec, 10), EarlyStop()
    over = [early.count(spec, schedule, epoch, epoch - 1, score=1.0) for epoch in range(1, 11)]
    assert over.index(True) == 6, "two epochs after the fifth, half of ten"


def test_a_compiler_makes_few_graphs(home: Path) -> None:
    """PyTorch runs a module without its compiler after eight of them."""
    info = DataInfo.of((3, 32, 32), ("cat", "dog"))
    model, spec, graphs = ConvNet(ConvNetSpec(first=8, widest=8), info), StageSpec(initial_scale=0.375), list[object]()

    def count(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    torch.compiler.reset()
    run = torch.compile(model, dynamic=False, backend=count)
    for step in range(20):
        model.train()
        done = (step + 1) / 21
        model.whitening.learns = not model.spec.bias_share < done < 1
        run(resize(torch.rand(8, 3, 32, 32), size_at(spec, FULL, done))).sum().backward()
        model.eval()
        with torch.no_grad():
            run(torch.rand(8, 3, 32, 32))
            run(torch.rand(5, 3, 32, 32))
    torch.compiler.reset()
    assert len(graphs) <= 8, "four sizes, one of them with two graphs, and two for evaluation"


def test_a_cnn_refuses_pictures_of_another_size(home: Path) -> None:
    zoo.train("cnn", *TINY, "data.limit=90", "train.epochs=1", out="run")
    with pytest.raises(ZooError, match="this cnn takes pictures of 8x8, not of 9x9; resize them first"):
        zoo.load("run").model()(torch.rand(1, 1, 9, 9))
