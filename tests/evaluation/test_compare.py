"""Variants side by side: what varies, equal conditions, spread over seeds; nothing is lost or done twice."""

from __future__ import annotations

import json
import math
import shutil
import signal
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import linear
import pytest

import zoo
from zoo.cli import main
from zoo.cli.views.progress import ProgressLines
from zoo.core.errors import InterruptedRun, LockedError, RunError, ZooError
from zoo.core.files import digest
from zoo.evaluation.compare.axes import Axes, split_values
from zoo.evaluation.compare.callbacks import CompareCallback
from zoo.evaluation.compare.result import Comparison, MetricSummary, format_spread
from zoo.registry.build import build_data
from zoo.registry.entry import Entry
from zoo.runs.lock import lock_folder
from zoo.training.train import Trained, train_entry

pytestmark = pytest.mark.usefixtures("home")
TINY = ["data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.batch=50", "--device", "cpu"]
NORMS = ["compare", "cnn", "model.norm=none,after", "train.epochs=1", *TINY]
FOLDER = Path("runs/cnn-compare")

Capture = pytest.CaptureFixture[str]


def document(capsys: Capture, *words: str, code: int = 0) -> dict[str, Any]:
    """What a command prints with --json."""
    assert main([*words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def weights(folder: Path = FOLDER) -> dict[str, tuple[str, str]]:
    """What each run gave and when, by its folder's name."""
    records = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/run.json")}
    return {name: (record.get("weights_sha256", ""), record.get("finished", "")) for name, record in records.items()}


@pytest.fixture
def pressed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Ctrl-C in the so-manieth training from now on."""
    stage, step = ProgressLines.stage, ProgressLines.step
    begun = [0, 0]

    def count(self: ProgressLines, *about: Any) -> None:
        begun[0] += 1
        stage(self, *about)

    def press(self: ProgressLines) -> None:
        step(self)
        if begun[0] == begun[1] and self.done == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressLines, "stage", count)
    monkeypatch.setattr(ProgressLines, "step", press)
    yield lambda number: begun.__setitem__(slice(None), [0, number])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", ["1"]),
        ("none, after", ["none", "after"]),
        ("[3,5]", ["[3,5]"]),
        ("[5,4,3],[8,5,5]", ["[5,4,3]", "[8,5,5]"]),
        ('{pad: 0, flip: "a,]b"},{pad: 4}', ['{pad: 0, flip: "a,]b"}', "{pad: 4}"]),
        ("\"a,\\\"b\",'it''s, c'", ['"a,\\"b"', "'it''s, c'"]),
        ("it's,that's", ["it's", "that's"]),
        ("", [""]),
        ("[1,2", ["[1,2"]),
    ],
)
def test_values_are_split_outside_of_brackets_and_quotes(text: str, values: list[str]) -> None:
    assert split_values(text) == values


def test_several_axes_give_every_combination_and_the_later_of_two_holds() -> None:
    axes = Axes.of("cnn", ["model.norm=none,after", "train.lr=1", "model.kernel=[3,5],7", "model.norm=before,after"])
    assert [axes.overrides(values) for values in axes.variants] == [
        ["train.lr=1", f"model.kernel={kernel}", f"model.norm={norm}"]
        for kernel in ("[3,5]", "7")
        for norm in ("before", "after")
    ]
    assert axes.fixed == ["train.lr=1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.epochs=1"], "nothing varies; give an option several values"),
        (["model.norm=none,"], "has an empty value"),
        (["model.norm"], "'model.norm' is not of the form key=value"),
        (["train.seed=1,2"], "set the number of seeds with --seeds"),
        (["model.norm=none,sideways"], "model.norm"),
        (["prior.kind=normal,vamp"], "the model kind 'cnn' has no codes"),
        (["model.first=8,8"], "model.first=8 and model.first=8 are the same for cnn; remove one of them"),
        (["model.first=8,8.0"], "model.first=8 and model.first=8.0 are the same"),
        (["model.norm=none,after", "data.kind=digit"], "did you mean 'digits'"),
        (["model.norm=none,after", "--name", "con"], "cannot be a folder name"),
        (["model.norm=none,after", "data.limit=5"], "no training picture of class"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_trains(
    words: list[str], message: str, capsys: Capture
) -> None:
    assert main(["compare", "cnn", *words]) in (2, 3)
    assert message in capsys.readouterr().err
    assert not list(Path().glob("runs/*"))


def test_the_table_has_a_row_a_variant_with_the_spread_over_seeds(capsys: Capture) -> None:
    assert main([*NORMS, "--seeds", "2", "train.seed=5"]) == 0
    out, err = capsys.readouterr()
    first, _, heads, *rows = out.splitlines()
    assert first == f"{FOLDER}: cnn, test split, seeds 5, 6"
    assert heads.split()[:5] == ["model.norm", "seeds", "parameters", "minutes", "loss"]
    assert [row.split()[:2] for row in rows] == [["none", "2/2"], ["after", "2/2"]]
    titles = [line for line in err.splitlines() if line.startswith("[")]
    assert titles == [
        "[1/4] model.norm=none, seed 5",
        "[2/4] model.norm=after, seed 5",
        "[3/4] model.norm=none, seed 6",
        "[4/4] model.norm=after, seed 6",
    ]
    before = weights()
    assert sorted(before) == ["01-seed5", "01-seed6", "02-seed5", "02-seed6"]
    found = document(capsys, *NORMS, "--seeds", "2", "train.seed=5")
    assert weights() == before
    assert found == json.loads((FOLDER / "table.json").read_text(encoding="utf-8"))
    assert (found["seeds"], found["split"], found["axes"]) == ([5, 6], "test", {"model.norm": ["none", "after"]})
    for variant, norm in zip(found["variants"], ("none", "after"), strict=True):
        assert variant["overrides"] == [f"model.norm={norm}"]
        assert [(run["seed"], run["state"]) for run in variant["runs"]] == [(5, "done"), (6, "done")]
        losses = [run["metrics"]["loss"] for run in variant["runs"]]
        assert losses == [zoo.evaluate(run["run"], device="cpu").metrics["loss"] for run in variant["runs"]]
        assert variant["figures"]["loss"]["values"] == losses
        assert variant["figures"]["loss"]["mean"] == pytest.approx(statistics.mean(losses))
        assert variant["figures"]["loss"]["std"] == pytest.approx(statistics.stdev(losses), rel=1e-6)
        run = zoo.load(variant["runs"][0]["run"])
        assert (run.entry.model.dump()["norm"], run.record["parameters"]) == (norm, variant["parameters"])
    alone = zoo.train("cnn", *NORMS[3:-2], "model.norm=after", seed=6, device="cpu")
    assert alone.weights_sha256 == before["02-seed6"][0]


def test_figures_are_chosen_by_name(capsys: Capture) -> None:
    assert main([*NORMS, "--figures", "accuracy, loss"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[2].split()[-2:] == ["accuracy", "loss"]
    assert "±" not in out and "more figures: see them with --figures all" in err
    assert main([*NORMS, "--figures", "all"]) == 0
    assert {"macro_f1", "calibration_error"} <= set(capsys.readouterr().out.splitlines()[2].split())
    assert main([*NORMS, "--figures", "loss,acuracy"]) == 2
    out, err = capsys.readouterr()
    assert "no figure 'acuracy'; did you mean 'accuracy'?" in err
    assert "accuracy" in out and "table.json" in err, "what was trained for is shown all the same"


def test_spreads_in_words() -> None:
    assert format_spread(MetricSummary.of([2.0])) == "2"
    assert format_spread(MetricSummary.of([1.0, 2.0, 3.0])) == "2 ± 1"
    assert format_spread(MetricSummary.of([1234.0, 5678.0])) == "3,456 ± 3,142"
    assert format_spread(MetricSummary.of([1.0, math.inf])) == "inf ± -"


def test_several_axes_are_named_by_all_that_differs(capsys: Capture) -> None:
    words = [*NORMS, "train.lr=0.001,0.01"]
    assert main(words) == 0
    _, _, heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.startswith("variant ")
    assert [row.partition("  ")[0] for row in rows] == [
        f"model.norm={norm} train.lr={lr}" for norm in ("none", "after") for lr in ("0.001", "0.01")
    ]


def test_an_interrupted_comparison_goes_on_where_it_stopped(capsys: Capture, pressed: Callable[[int], None]) -> None:
    pressed(2)
    assert main([*NORMS, "--seeds", "2"]) == 130
    out, err = capsys.readouterr()
    assert "interrupted; finished work is kept. Resume with: zoo.compare('cnn', 'model.norm=none,after'," in err
    assert [row.split()[:2] for row in out.splitlines()[3:]] == [["none", "1/2"], ["after", "0/2"]]
    table = json.loads((FOLDER / "table.json").read_text(encoding="utf-8"))
    states = [run["state"] for variant in table["variants"] for run in variant["runs"]]
    assert states == ["done", "waiting", "interrupted", "waiting"]
    first = weights()["01-seed0"]
    pressed(0)
    found = document(capsys, *NORMS, "--seeds", "2")
    assert [run["state"] for variant in found["variants"] for run in variant["runs"]] == ["done"] * 4
    assert weights()["01-seed0"] == first
    undisturbed = zoo.compare("cnn", *NORMS[2:-2], comparison="other", device="cpu")
    assert weights(undisturbed.path)["02-seed0"][0] == weights()["02-seed0"][0]


def test_ctrl_c_in_an_evaluation_costs_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*about: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("zoo.evaluation.compare.runner.evaluate", press)
        with pytest.raises(InterruptedRun, match=r"Resume with: zoo\.compare"):
            zoo.compare("cnn", *NORMS[2:-2], device="cpu")
    before = weights()
    assert list(before) == ["01-seed0"]
    found = zoo.compare("cnn", *NORMS[2:-2], device="cpu")
    assert weights()["01-seed0"] == before["01-seed0"]
    assert [run.state for run in found.runs] == ["done", "done"]


def test_nothing_is_trained_or_evaluated_twice(capsys: Capture) -> None:
    found = document(capsys, *NORMS)
    for file in FOLDER.glob("*/weights.safetensors"):
        file.write_bytes(b"")
    assert document(capsys, *NORMS) == found


def test_seeds_and_values_are_added_and_only_they_are_trained(capsys: Capture) -> None:
    first = document(capsys, *NORMS)
    before = weights()
    words = [*NORMS[:2], "model.norm=before,after,none", *NORMS[3:], "--seeds", "2"]
    more = document(capsys, *words)
    assert {name: about for name, about in weights().items() if name in before} == before
    assert sorted(weights()) == [f"{number:02d}-seed{seed}" for number in (1, 2, 3) for seed in (0, 1)]
    assert [Path(variant["runs"][0]["run"]).name for variant in more["variants"]] == [
        "03-seed0",
        "02-seed0",
        "01-seed0",
    ]
    assert more["variants"][2]["runs"][0] == first["variants"][0]["runs"][0]
    assert document(capsys, *NORMS) == first


def test_another_comparison_is_refused_with_what_differs_and_the_ways_on(capsys: Capture) -> None:
    assert main(NORMS) == 0
    other = [*NORMS, "train.lr=0.01"]
    before = weights()
    assert main(other) == 2
    assert (
        f"{FOLDER} was started with other options: train.lr: 0.004 -> 0.01; use those options, start a new comparison"
        in (capsys.readouterr().err)
    )
    assert main([*NORMS, "--split", "valid", "train.weight_decay=0"]) == 2
    assert "--split: test -> valid; train.weight_decay: 0.02 -> 0" in capsys.readouterr().err
    assert main([*NORMS, "train.lr=0.01,0.1"]) == 2
    assert "varied options: model.norm -> model.norm, train.lr" in capsys.readouterr().err
    assert weights() == before
    assert document(capsys, *other, "--fresh")["comparison"] == str(FOLDER.with_name("cnn-compare-2"))
    assert document(capsys, *other)["comparison"] == str(FOLDER.with_name("cnn-compare-2"))
    assert document(capsys, *NORMS)["comparison"] == str(FOLDER)
    assert document(capsys, *NORMS, "--fresh")["comparison"] == str(FOLDER.with_name("cnn-compare-3"))
    assert document(capsys, *NORMS, "--name", "mine", "--split", "valid")["comparison"] == str(FOLDER.with_name("mine"))
    assert weights() == before


def test_a_folder_that_is_no_comparison_is_left_alone(run: Path, capsys: Capture) -> None:
    assert main([*NORMS, "--name", run.name]) == 2
    assert f"{run} exists but is not a comparison; choose another --name" in capsys.readouterr().err


def test_a_damaged_comparison_and_a_damaged_run_say_so(capsys: Capture) -> None:
    assert main(NORMS) == 0
    record = FOLDER / "01-seed0" / "run.json"
    whole = record.read_text(encoding="utf-8")
    record.write_text(whole.replace("done", "gone"), encoding="utf-8")
    assert main(NORMS) == 5
    assert "delete the folder and repeat the command" in capsys.readouterr().err
    record.write_text(whole, encoding="utf-8")
    (FOLDER / "01-seed0").rename(FOLDER / "x")
    (FOLDER / "02-seed0").rename(FOLDER / "01-seed0")
    (FOLDER / "x").rename(FOLDER / "02-seed0")
    assert main(NORMS) == 2
    assert f"{FOLDER / '01-seed0'} contains a different run: model.norm: after -> none" in capsys.readouterr().err
    file = FOLDER / "compare.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"split": "test"', '"split": "valid"'), encoding="utf-8")
    with pytest.raises(RunError, match=r"compare\.json is damaged"):
        zoo.compare("cnn", *NORMS[2:-2])


def test_a_run_that_diverges_is_listed_and_stops_nothing(capsys: Capture) -> None:
    words = ["compare", "cnn", "train.lr=100,0.001", "train.optimizer=sgd", "train.epochs=3", "model.norm=none", *TINY]
    found = document(capsys, *words)
    bad, good = (variant["runs"][0] for variant in found["variants"])
    assert (bad["state"], good["state"]) == ("diverged", "done")
    assert "not finite" in bad["reason"]
    before = weights()
    assert main(words) == 0
    out = capsys.readouterr().out
    assert weights() == before
    assert out.splitlines()[3].split()[:2] == ["100", "0/1"]
    assert out.splitlines()[-1].split()[:3] == ["train.lr=100", "0", "diverged"]
    words[2] = "train.lr=100,99"
    assert main([*words, "--name", "bad"]) == 1
    out, err = capsys.readouterr()
    assert "none of the 2 trainings of runs/bad finished: the validation loss" in err.replace("\\", "/")
    assert out.count("diverged") == 2


def test_a_run_without_memory_is_listed_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(entry: Entry, *about: Any) -> Trained:
        if entry.model.dump()["norm"] == "none":
            raise MemoryError
        return train_entry(entry, *about)

    with monkeypatch.context() as patch:
        patch.setattr("zoo.evaluation.compare.runner.train_entry", hungry)
        found = zoo.compare("cnn", *NORMS[2:-2], device="cpu")
    assert [(run.state, run.reason[:13]) for run in found.runs] == [("failed", "out of memory"), ("done", "")]
    assert [run.state for run in zoo.compare("cnn", *NORMS[2:-2], device="cpu").runs] == ["done", "done"]


def test_two_processes_do_not_work_on_one_comparison(capsys: Capture) -> None:
    with lock_folder(FOLDER):
        assert main(NORMS) == 6
        assert "wait for it, or choose another name with --name" in capsys.readouterr().err
        with pytest.raises(LockedError):
            zoo.compare("cnn", *NORMS[2:-2])


def test_priors_are_compared_each_with_its_own_options(install: Callable[..., Path], capsys: Capture) -> None:
    install("linear", linear.PLUGIN, harmless=True)
    judge = "  judge: {extends: cnn, model: {blocks: 2, first: 4, last: 8}, train: {epochs: 1, batch: 200}}\n"
    Path("registry.yaml").write_text(linear.REGISTRY + judge, encoding="utf-8")
    found = document(
        capsys, "compare", "linear", "prior.kind=normal,student-t,vamp", "train.epochs=1", "--device", "cpu"
    )
    assert [variant["overrides"] for variant in found["variants"]] == [
        [f"prior.kind={kind}"] for kind in ("normal", "student-t", "vamp")
    ]
    normal, student, vamp = found["variants"]
    assert normal["parameters"] == student["parameters"] < vamp["parameters"]
    assert zoo.load(student["runs"][0]["run"]).entry.dump()["prior"]["kind"] == "student-t"
    assert all("loss" in variant["figures"] for variant in found["variants"])
    assert main(["compare", "linear", "prior.kind=normal,student-t,vamp", "train.epochs=1", "--device", "cpu"]) == 0
    assert "\njudge: judge (cnn of " in capsys.readouterr().out


def test_a_registry_that_changes_meanwhile_does_not_change_what_is_compared() -> None:
    file = Path("registry.yaml")
    text = "version: 1\nentries:\n  mine: {extends: cnn, train: {epochs: 1, batch: BATCH}}\n"
    file.write_text(text.replace("BATCH", "50"), encoding="utf-8")

    class Meddler(CompareCallback):
        def update(self, comparison: Comparison) -> None:
            if comparison.runs[0].state == "done":
                file.write_text(text.replace("BATCH", "40"), encoding="utf-8")

    words = ["model.norm=none,after", *TINY[:4]]
    with pytest.raises(ZooError, match=r"the entry 'mine' has changed in the meantime: train\.batch: 50 -> 40"):
        zoo.compare("mine", *words, device="cpu", callback=Meddler())
    file.write_text(text.replace("BATCH", "50"), encoding="utf-8")
    found = zoo.compare("mine", *words, device="cpu")
    assert [len(variant.done) for variant in found.variants] == [1, 1]
    assert found.variants[1].label == "model.norm=after"
    assert found.variants[1].figures["loss"].std is None


def test_seeds_and_splits_are_checked() -> None:
    with pytest.raises(ZooError, match="cannot compare over 0 seeds"):
        zoo.compare("cnn", "model.norm=none,after", seeds=0)
    with pytest.raises(ZooError, match="no split 'tests'; did you mean 'test'"):
        zoo.compare("cnn", "model.norm=none,after", split="tests")


def test_minutes_are_the_budget_of_each_training(capsys: Capture) -> None:
    words = ["compare", "cnn", "model.norm=none,after", *TINY, "--minutes", "0.005"]
    found = document(capsys, *words)
    assert [zoo.load(variant["runs"][0]["run"]).entry.train.minutes for variant in found["variants"]] == [0.005] * 2
    assert all(0.2 < variant["seconds"] < 20 for variant in found["variants"])
    words[-1] = "0.01"
    assert main(words) == 2
    assert "was started with other options: train.minutes: 0.005 -> 0.01" in capsys.readouterr().err
    words[-1] = "0"
    assert main(words) == 2
    assert "train.minutes" in capsys.readouterr().err


@pytest.mark.parametrize("values", [{"variants": {}}, {"seeds": {}}, {"variants": ""}, {"evaluations": []}])
def test_a_record_with_other_kinds_of_values_is_damage(values: dict[str, Any], capsys: Capture) -> None:
    shutil.copytree(Path(__file__).parents[1] / "golden" / "runs" / "comparison", "runs/comparison")
    path = Path("runs/comparison/compare.json")
    content = json.loads(path.read_text(encoding="utf-8")) | values
    del content["seal"]
    path.write_text(json.dumps(content | {"seal": digest(content)}), encoding="utf-8")
    options = "data.limit=200 model.blocks=2 model.first=4 model.last=8 model.head=0 train.compile=off"
    words = [*options.split(), "train.epochs=1", "model.norm=none,before", "--name", "comparison"]
    assert main(["compare", "cnn", *words]) == 5
    assert "compare.json is damaged: it holds no plan of a comparison" in capsys.readouterr().err


FOLDS = ["compare", "cnn", "--folds", "3", "train.epochs=1", "data.limit=120", *TINY[1:]]


def test_folds_cross_validate_an_entry_alone_and_resume(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def stop_at_the_third(entry: Entry, command: str, path: Path, *rest: Any) -> Trained:
        seen.append(path)
        if len(seen) == 3:
            raise InterruptedRun("interrupted")
        return train_entry(entry, command, path, *rest)

    monkeypatch.setattr("zoo.evaluation.compare.runner.train_entry", stop_at_the_third)
    assert main(FOLDS) == InterruptedRun.code
    assert [path.name for path in seen] == ["01-seed0-fold1", "01-seed0-fold2", "01-seed0-fold3"]
    capsys.readouterr()
    before = weights()
    found = document(capsys, *FOLDS)
    assert {name: about for name, about in weights().items() if name in before} == before
    assert len(seen) == 4
    (variant,) = found["variants"]
    assert (found["folds"], found["split"], found["axes"], variant["overrides"]) == (3, "fold", {}, [])
    assert [run["fold"] for run in variant["runs"]] == [1, 2, 3]
    values = [run["metrics"]["accuracy"] for run in variant["runs"]]
    figure = variant["figures"]["accuracy"]
    assert figure["values"] == values
    assert figure["mean"] == pytest.approx(statistics.mean(values))
    assert figure["std"] == pytest.approx(statistics.stdev(values))
    sizes = [zoo.load(run["run"]).record["pictures"] for run in variant["runs"]]
    own, _ = build_data(zoo.load(variant["runs"][0]["run"]).with_overrides(["data.folds=null", "data.fold=null"]).data)
    assert sum(size["test"] for size in sizes) == len(own.train) + len(own.valid)
    assert main(FOLDS) == 0
    table = capsys.readouterr().out
    assert "cnn, each of 3 folds of the training pictures, seed 0" in table
    assert main([*FOLDS, "model.norm=none,after", "--name", "cnn-compare"]) == 2
    assert "varied options: none -> model.norm;" in capsys.readouterr().err
    assert [line.split()[:2] for line in table.splitlines() if line.startswith("cnn ")] == [["cnn", "3/3"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--folds", "3", "--split", "valid"], "--split valid has no effect beside --folds"),
        (["--folds", "3", "data.fold=2"], "--folds trains on all folds; drop data.folds and data.fold"),
        (["data.fold=2", "model.norm=none,after"], "data.fold must be one of the parts 1 to data.folds"),
        ([], "nothing varies"),
    ],
)
def test_what_folds_do_not_go_with_is_refused(words: list[str], error: str, capsys: Capture) -> None:
    assert main(["compare", "cnn", *words]) == 2
    assert error in capsys.readouterr().err
