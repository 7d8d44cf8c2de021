"""What a study begins with: the entry as it stands, and the best trials of an older study."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest
from spaces import check, get, made_up_space, only

from zoo.cli import main
from zoo.core.errors import InterruptedRun, ZooError
from zoo.core.files import digest, write_json
from zoo.core.sections import TuneSpec
from zoo.core.spec import Choice, Range
from zoo.registry.entry import Entry
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.space import Space
from zoo.training.signals import Stop
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions
from zoo.tuning.confirm import ConfirmLedger
from zoo.tuning.engine import Engine
from zoo.tuning.gain import gain_lines
from zoo.tuning.ledger import Ledger
from zoo.tuning.searcher import StudySearcher
from zoo.tuning.starts import choose_starts, start_with_entry, study_place
from zoo.tuning.study import ENTRY
from zoo.tuning.study_folder import StudyPlan, changes_in, open_study, write_budget, write_plan
from zoo.tuning.trial_worker import TrialOrder

GOLDEN = Path(__file__).parents[1] / "golden" / "runs" / "study"
Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("home")


def begin(*overrides: str, folder: str = "runs/new", fixed: tuple[str, ...] = ()) -> Ledger:
    """The ledger of a new study of `cnn`, as `zoo tune` begins it."""
    raw, entry = get(*overrides)
    space = Space.of(raw, entry, entry.tune.space, fixed)
    path = Path(folder)
    path.mkdir(parents=True)
    starts = tuple(start.record() for start in choose_starts(space, entry, None))
    write_plan(path, StudyPlan(entry.dump(), {"startup": 2}, space.describe(), None, starts), "zoo tune")
    write_budget(path, entry.tune)
    return Ledger(path, entry, entry.tune, space, starts)


def finish(ledger: Ledger, loss: float) -> None:
    """Take one more trial to its end."""
    trial = ledger.begin()
    assert trial
    ledger.report(trial.number, 1, loss, parameters=100, epochs=1)
    ledger.end(trial.number, "done", metrics={"loss": loss}, parameters=100, seconds=1.0)


@pytest.mark.parametrize("seed", range(25))
def test_any_value_finds_its_place_in_the_space_and_optuna_draws_just_that(seed: int) -> None:
    random = Random(seed)
    space = made_up_space(random)
    wanted = {
        one.path: random.choice([None, "auto", True, 3, -1e9, 1e9, 0.37, random.gauss(0, 20)])
        for one in space.dimensions
    }
    config = space.assign(lambda one: one.nearest(wanted[one.path]))
    for one in space.dimensions:
        if one.path in config:
            check(one, config[one.path])
            assert one.nearest(config[one.path]) == config[one.path]
    study = optuna.create_study()
    study.enqueue_trial(space.fix(config))
    assert space.sample(study.ask()) == config


@pytest.mark.parametrize(
    ("mark", "integer", "value", "nearest"),
    [
        (Range(1e-4, 1e-2, log=True), False, 0.05, 1e-2),
        (Range(1e-4, 1e-2, log=True), False, "auto", 1e-3),
        (Range(8, 40, step=8), True, 29, 32),
        (Range(0, 4), True, None, 2),
        (Choice(3, 5, 7), False, 9, 7),
        (Choice("before", "after"), False, "none", "before"),
        (Choice(True, False), False, False, False),
    ],
)
def test_the_nearest_value(mark: Any, integer: bool, value: Any, nearest: Any) -> None:
    assert Dimension("x", mark, "x", integer).nearest(value) == nearest


def test_the_first_trial_is_the_entry_as_it_stands() -> None:
    ledger = begin()
    first, second = ledger.begin(), ledger.begin()
    assert first and second and (first.start, second.start) == (ENTRY, "")
    assert ledger.entries[0].dump() == ledger.entry.dump()
    assert ledger.entries[1].dump() != ledger.entry.dump()
    ledger.close()


def test_what_lies_outside_the_space_is_moved_and_said() -> None:
    raw, entry = get("train.lr=0.5", "model.norm=none", "model.kernel=5")
    space = Space.of(raw, entry, entry.tune.space | {"train.augment.pad": "0..4"}, ())
    start = start_with_entry(space)
    assert start.config["train.lr"] == 0.02 and start.config["model.norm"] == "before"
    said = "moved into the search space: model.norm none -> before, train.lr 0.5 -> 0.02, train.augment.pad auto -> 2"
    assert start.describe(0) == f"t00000 is the entry, {said}"
    assert Space.apply(entry, start.config).model.dump()["kernel"] == 5


def test_values_of_stages_and_of_searched_kinds_are_the_entrys_own() -> None:
    raw, entry = get("train.stages.prior.lr=0.003", name="vae-nf")
    asked = {"train.stages.prior.lr": "1e-4..1e-2 log", "train.stages.codec.lr": "1e-4..1e-2 log"}
    config = start_with_entry(Space.of(raw, entry, entry.tune.space | asked, ())).config
    assert (config["train.stages.prior.lr"], config["train.stages.codec.lr"]) == (0.003, entry.train.lr)
    raw, entry = get()
    kinds = {"model.kind": ["timm", "cnn"], "model.architecture": ["resnet10t", "resnet18"]}
    config = start_with_entry(Space.of(raw, entry, entry.tune.space | kinds, ())).config
    assert config["model.kind"] == "cnn" and "model.architecture" not in config


def test_a_study_that_was_killed_between_two_writes_has_its_first_trial_still() -> None:
    ledger = begin("train.lr=0.5")
    ledger.ask_for(ledger.starts[0])
    ledger.close()
    again = Ledger(ledger.folder, ledger.entry, ledger.spec, ledger.space, ledger.starts)
    assert again.waiting() == [0]
    trial = again.resume(0, process_died=False)
    assert trial and (trial.start, trial.config["train.lr"]) == (ENTRY, 0.02)
    again.close()


def test_a_study_knows_that_its_entry_was_moved() -> None:
    ledger = begin("train.lr=0.5")
    finish(ledger, 0.5)
    finish(ledger, 0.1)
    ledger.close()
    found = open_study(ledger.folder)
    assert found.moved == ledger.study.moved == ["train.lr 0.5 -> 0.02"]
    assert "beats the entry, moved into the search space (t00000) on" in next(gain_lines(found))
    plan = json.loads(Path("runs/new/study.json").read_text(encoding="utf-8"))
    del plan["starts"][0]["moved"], plan["seal"]  # as an older zoo wrote it
    write_json(Path("runs/new/study.json"), plan | {"seal": digest(plan)})
    assert not open_study(ledger.folder).moved


def test_resuming_does_not_need_the_older_study() -> None:
    plan = StudyPlan({"name": "cnn"}, {}, {}, str(Path("runs/old").resolve()))
    for name in ("runs/old", "runs/other/old"):
        assert not plan.changes(replace(plan, older=str(study_place(name, Path("runs")))))
    assert plan.changes(replace(plan, older=str(study_place("new", Path("runs")))))
    assert replace(plan, older=None).changes(plan)
    begin(folder="runs/old").close()
    begin(folder="runs/other/old").close()
    assert plan.changes(replace(plan, older=str(study_place("runs/other/old", Path("runs")))))


def test_a_study_resumes_after_the_older_one_was_removed(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    ledger = begin(folder="runs/old")
    finish(ledger, 0.5)
    ledger.close()

    def stop(engine: Engine) -> None:
        assert engine.ledger.begin()
        raise InterruptedRun("stopped", 130)

    monkeypatch.setattr(Engine, "run", stop)
    words = ["tune", "cnn", "model.norm=none", "--from", "old", "--name", "again"]
    assert main(words) == 130
    assert Path("runs/again/study.json").is_file()
    shutil.rmtree("runs/old")
    assert main(words) == 130, capsys.readouterr().err
    assert len(open_study(Path("runs/again")).trials) == 2


@pytest.mark.parametrize(
    ("limits", "hint"),
    [
        ((), "widen tune.space"),
        (("tune.max_flops=9", "tune.max_latency=1"), "widen tune.space, or increase --max-flops or --max-latency"),
    ],
)
def test_after_many_refusals_the_limits_that_are_set_are_named(limits: tuple[str, ...], hint: str) -> None:
    ledger = begin(*limits)
    assert ledger.begin()
    ledger.end(0, "refused", reason="too large")
    ledger.refused_in_a_row = 300
    searcher = StudySearcher(ledger, order, lambda trial: None)
    searcher.check_refusals()
    assert searcher.trouble and searcher.trouble.hint == hint
    ledger.close()


def test_a_request_to_stop_says_what_is_saved() -> None:
    ledger, stop = begin(), Stop()
    stop.asked = 130
    engine = Engine(ledger, ClusterOptions(None, 1, "cpu"), TuneCallback(), stop, "zoo tune cnn")
    with pytest.raises(InterruptedRun, match="stopped before the first trial"):
        engine.raise_if_stopped()
    finish(ledger, 0.5)
    for each in (ledger, ConfirmLedger(ledger)):
        engine.ledger = each
        with pytest.raises(InterruptedRun, match=r"all trials are saved\. Resume with: zoo tune cnn"):
            engine.raise_if_stopped()
        each.close()


def test_a_study_begins_with_the_best_of_an_older_one(capsys: Capture) -> None:
    ledger = begin(folder="runs/old")
    for loss in (0.5, 0.4, 0.1, 0.3, 0.2):
        finish(ledger, loss)
    ledger.close()
    old = open_study(Path("runs/old"))
    raw, entry = get("model.norm=none", "train.lr=0.001")
    asked: dict[str, Any] = only() | {"train.lr": "1e-6..2e-6", "train.batch": "2..2000"}
    space = Space.of(raw, entry, asked, ())
    starts = choose_starts(space, entry, old)
    assert [start.origin for start in starts] == [ENTRY] + [f"t0000{n} of {Path('runs/old')}" for n in (2, 4, 3)]
    for start in starts[1:]:
        trial = old.trials[int(start.origin[5])]
        assert start.config == {"train.lr": 2e-6, "train.batch": trial.config["train.batch"]}
        assert any(text.startswith("train.lr ") and text.endswith(" -> 2e-06") for text in start.moved)
        assert f"model.norm={trial.config['model.norm']}" in start.left
    assert choose_starts(*same(old.entry), old)[0].origin == ENTRY
    assert main(["tune", "vae", "--from", "old"]) == 2
    assert "runs/old tuned the model kind cnn, not vae" in capsys.readouterr().err.replace("\\", "/")
    assert main(["tune", "cnn", "--from", "odl"]) == 2
    assert "no study 'odl'" in (err := capsys.readouterr().err) and "did you mean 'old'?" in err
    assert not list(Path("runs").glob("*-study"))


def same(dumped: dict[str, Any]) -> tuple[Space, Entry]:
    """The space and the entry of `cnn` as it stands."""
    raw, entry = get()
    assert entry.dump()["model"] == dumped["model"]
    return Space.of(raw, entry, entry.tune.space, ()), entry


def test_a_study_without_a_result_is_nothing_to_begin_with() -> None:
    begin(folder="runs/old").close()
    with pytest.raises(ZooError, match="has no finished trial to begin with"):
        choose_starts(*same(open_study(Path("runs/old")).entry), open_study(Path("runs/old")))


@pytest.mark.parametrize("objective", ["loss", "efficiency"])
def test_asha_stops_no_trial_that_the_study_begins_with(objective: str) -> None:
    from zoo.tuning.asha import StudyASHA

    ledger = begin(f"tune.objective={objective}", "tune.grace_period=1")
    searcher = StudySearcher(ledger, order, lambda trial: None)
    asha = StudyASHA(searcher)

    def decide(number: int, epoch: int, loss: float) -> str:
        ledger.report(number, epoch, loss, parameters=9, epochs=30)
        trial: Any = type("Ray", (), {"config": {"number": number}})
        return asha.on_trial_result(None, trial, {"epoch": epoch, "epochs": 30, "loss": loss})

    for _ in range(3):
        ledger.begin()
    assert decide(1, 1, 0.1) == "CONTINUE"
    assert decide(0, 1, 0.2) == "CONTINUE"  # worse than the one before it
    assert decide(2, 1, 0.19) == "STOP"
    assert decide(0, 3, 0.15) == "CONTINUE"
    # Elsewhere than with efficiency, the entry sets the mark for the others.
    assert decide(1, 3, 0.16) == ("STOP" if objective == "loss" else "CONTINUE")
    kept = {(number, epoch) for number, epoch, _ in ledger.rungs()}
    assert ((0, 1) in kept) == (objective == "loss")
    assert StudyASHA(searcher)._brackets[0].debug_str() == asha._brackets[0].debug_str()
    ledger.close()


def order(trial: Any, entry: dict[str, Any]) -> TrialOrder:
    """No order is carried out."""
    raise NotImplementedError


def test_startup_follows_the_trials_unless_it_is_typed() -> None:
    assert [TuneSpec(trials=trials).random_trials for trials in (1, 3, 4, 8, 20, 40, 1000)] == [0, 0, 1, 2, 5, 10, 10]
    assert TuneSpec(trials=8, startup=10).random_trials == 10


def test_a_study_of_an_older_version_goes_on_as_it_was(capsys: Capture) -> None:
    shutil.copytree(GOLDEN, "runs/study")
    about = json.loads(Path("runs/study/study.json").read_text(encoding="utf-8"))
    words = about["command"].split()
    assert main([*words[1:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "done"
    folder, spec = Path("runs/study"), TuneSpec(trials=8)
    plan = StudyPlan.of(about["entry"], spec.model_copy(update={"grace_period": 4}), about["space"])
    assert changes_in(folder, plan) == []
    typed = StudyPlan.of(about["entry"], spec.model_copy(update={"grace_period": 4, "startup": 2}), about["space"])
    assert changes_in(folder, typed) == ["tune.startup: 10 -> 2"]
    raw, entry = get(*words[3:-6])
    ledger = Ledger(folder, entry, spec, Space.of(raw, entry, entry.tune.space, ["model.head"]))
    trial = ledger.begin()
    assert trial and (trial.number, trial.start) == (2, "")
    assert open_study(folder).baseline is None
    ledger.close()


def test_a_grace_beyond_all_epochs_prunes_nothing() -> None:
    from zoo.tuning.asha import StudyASHA

    ledger = begin("tune.grace_period=1000000000")
    searcher = StudySearcher(ledger, order, lambda trial: None)
    asha, trial = StudyASHA(searcher), type("Ray", (), {"config": {"number": 1}})
    ledger.begin()
    ledger.begin()
    assert asha.on_trial_result(None, trial, {"epoch": 99, "epochs": 300, "loss": 9.0}) == "CONTINUE"
    ledger.close()
