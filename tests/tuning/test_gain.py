"""What a study says about its gain over the entry, and about the noise of seeds."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spaces import get
from studies import study, trial

from zoo.cli import main
from zoo.cli.views.study import study_document
from zoo.core.errors import RunError
from zoo.registry.search.space import Space
from zoo.tuning.confirm import ConfirmLedger
from zoo.tuning.gain import candidates, confirmations, confirming_left, gain_document, gain_lines
from zoo.tuning.ledger import Ledger
from zoo.tuning.starts import choose_starts
from zoo.tuning.study import ENTRY, Study, Trial, failure_rows
from zoo.tuning.study_folder import StudyPlan, open_study, write_budget, write_plan

GOLDEN = Path(__file__).parents[1] / "golden" / "runs" / "study"
pytestmark = pytest.mark.usefixtures("home")


def of(*losses: float, entry: int = 0, **options: Any) -> Study:
    """A made-up study with these losses, whose trial number `entry` is the entry."""
    found = study(budget=len(losses), **options)
    trials = []
    for number, loss in enumerate(losses):
        metrics = {"loss": loss, "accuracy": 1 - loss}
        objective = {"accuracy": 1 - loss, "efficiency": 1 / (loss * 1000 * (number + 1))}.get(
            found.spec.objective, loss
        )
        about: dict[str, Any] = {
            "loss": loss,
            "objective": objective,
            "metrics": metrics,
            "parameters": 1000 * (number + 1),
        }
        trials.append(trial(number, **about, start=ENTRY if number == entry else ""))
    return replace(found, trials=trials)


def repeated(number: int, seed: int, loss: float) -> Trial:
    """A training of a trial with another seed."""
    return trial(number, loss=loss, metrics={"loss": loss, "accuracy": 1 - loss}, confirms=(number, seed))


def test_the_gain_is_said_in_the_objective() -> None:
    assert next(gain_lines(of(0.06, 0.05))) == (
        "t00001 beats the entry as it stands (t00000) on validation: loss 0.05 against 0.06 (-0.01, -16.7 %)"
    )
    assert "accuracy 0.95 against 0.94 (0.01, +1.06 %)" in next(gain_lines(of(0.06, 0.05, objective="accuracy")))
    assert "-3" in next(gain_lines(of(-1.0, -4.0))) and "%" not in next(gain_lines(of(-1.0, -4.0)))
    pareto = next(gain_lines(of(0.5, 0.5, entry=1, objective="pareto")))
    assert "loss 0.5 against 0.5" in pareto and "parameters 1,000 against 2,000" in pareto
    assert list(gain_lines(of(0.04, 0.05))) == ["no trial beats the entry as it stands (t00000)"]
    assert gain_document(of(0.06, 0.05)) == {
        "entry": 0,
        "best": 1,
        "figures": [{"figure": "loss", "best": 0.05, "entry": 0.06}],
        "seeds": None,
    }


def test_without_the_entry_nothing_is_compared() -> None:
    older = of(0.06, 0.05, entry=9)
    assert list(gain_lines(older)) == [] and gain_document(older) is None
    found = of(0.06, 0.05)
    broken = replace(found, trials=[replace(found.trials[0], state="diverged", reason="not finite"), *found.trials[1:]])
    assert list(gain_lines(broken)) == [
        "the entry as it stands (t00000) has no result to compare with: diverged, not finite"
    ]
    assert candidates(broken) == broken.trials[1:]


@pytest.mark.parametrize(("more", "verdict"), [((0.051, 0.049), "more than"), ((0.075, 0.04), "within")])
def test_a_gain_is_compared_with_the_noise_of_seeds(more: tuple[float, float], verdict: str) -> None:
    found = of(0.06, 0.05, 0.055, 0.07)
    assert [each.number for each in candidates(found)] == [1, 2, 0]
    trials = [repeated(0, 1, 0.061), repeated(1, 1, more[0]), repeated(0, 2, 0.059), repeated(1, 2, more[1])]
    found = replace(found, confirmed=[*trials, replace(repeated(2, 1, 9.9), state="diverged")])
    best, entry = confirmations(found)
    assert (best.values, best.seeds, entry.values) == ([0.05, *more], [0, 1, 2], [0.06, 0.061, 0.059])
    assert best.mean == pytest.approx(statistics.mean(best.values))
    assert best.std == pytest.approx(statistics.stdev(best.values))
    last = list(gain_lines(found))[-1]
    assert last.startswith("over seeds, its mean loss is better by 0.0") and last.endswith(
        f": {verdict} the noise of seeds"
    )
    seeds = (gain_document(found) or {})["seeds"]
    assert seeds["clear"] is (verdict == "more than") and seeds["value"] == pytest.approx(best.mean - 0.06)


@pytest.mark.parametrize("objective", ["loss", "accuracy", "pareto"])
def test_a_best_trial_that_is_worse_over_seeds_is_no_gain(objective: str) -> None:
    found = of(0.06, 0.05, objective=objective)
    trials = [repeated(number, seed, (0.06, 0.09)[number] + seed / 1000) for number in (0, 1) for seed in (1, 2)]
    trials += [repeated(1, 3, 0.092), repeated(1, 4, 0.091)]
    found = replace(found, confirmed=trials, trials=[found.trials[0], replace(found.trials[1], parameters=900)])
    lines, seeds = list(gain_lines(found)), (gain_document(found) or {})["seeds"]
    assert ("beats" in lines[0]) == (objective != "pareto")
    figure = "loss" if objective == "pareto" else objective
    assert lines[-1].startswith(f"over seeds, its mean {figure} is worse by 0.02")
    assert (seeds["figure"], seeds["verdict"], seeds["clear"]) == (figure, "worse", False)


def test_a_best_trial_that_was_only_left_over_does_not_beat_the_entry(home: Path) -> None:
    found = of(0.05, 0.06, objective="loss")
    found = replace(found, trials=[replace(each, run=home / each.run) for each in found.trials])
    found.trials[1].run.mkdir(parents=True)
    (found.trials[1].run / "run.json").write_text("{}", encoding="utf-8")
    assert found.best is found.trials[1]
    assert next(gain_lines(found)).startswith("t00001 compared with the entry")


def test_confirming_trainings_that_failed_are_shown() -> None:
    found = of(0.06, 0.05)
    lost = [replace(repeated(1, seed, 9.0), state="diverged", reason="not finite") for seed in (1, 2)]
    found = replace(found, confirmed=[*lost, repeated(0, 1, 0.06), repeated(0, 2, 0.06)])
    assert ["diverged (more seeds)", 2, "t00001", "not finite"] in failure_rows(found)
    assert [(row["number"], row["seed"]) for row in study_document(found)["failures"]] == [(1, 1), (1, 2)]
    assert list(gain_lines(found))[-1] == "the noise of seeds is unknown: all other trainings of t00001 failed"
    assert confirming_left(found) == (0, 4)
    assert confirming_left(replace(found, confirmed=lost[:1])) == (3, 4)
    assert "--confirm" in list(gain_lines(replace(found, confirmed=lost[:1])))[-1]
    assert not any("--confirm" in line for line in gain_lines(replace(found, confirmed=lost[:1]), asked=True))


def test_a_study_of_an_older_version_has_no_entry_to_compare_with() -> None:
    older = replace(of(0.06, 0.05, entry=9), confirmed=[repeated(1, 1, 0.05)])
    (line,) = gain_lines(older)
    assert line.startswith("an older version began this study, without a trial of the entry")
    assert list(gain_lines(replace(older, confirmed=()), asked=True)) == [line]
    assert not list(gain_lines(replace(older, confirmed=(), trials=[]), asked=True))


@pytest.mark.parametrize("content", [None, b"", b"x" * 5000])
def test_a_damaged_file_of_confirmations_does_not_take_the_study_down(
    content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(GOLDEN, "runs/study")
    folder = Path("runs/study/confirm")
    folder.mkdir()
    if content is not None:
        (folder / "study.db").write_bytes(content)
    found = open_study(Path("runs/study"))
    assert found.trials and not found.confirmed
    advice = "no trial counts as trained with more seeds: repeat zoo tune with --confirm, or delete"
    assert advice in caplog.text
    raw, entry = get()
    space = Space.of(raw, entry, entry.tune.space, ())
    ledger = Ledger(Path("runs/study"), entry, entry.tune, space)
    if content:
        with pytest.raises(RunError) as raised:
            ConfirmLedger(ledger)
        assert "delete" in raised.value.hint and "--fresh" not in str(raised.value)
    else:
        ConfirmLedger(ledger).close()
        assert (folder / "study.db").is_file()
    ledger.close()


def finish(ledger: Ledger, loss: float) -> Trial:
    """Take one more training to its end."""
    found = ledger.begin()
    assert found
    ledger.report(found.number, 1, loss, parameters=100, epochs=1)
    return ledger.end(found.number, "done", metrics={"loss": loss}, parameters=100, seconds=1.0)


def test_trainings_that_confirm_are_planned_once_and_outlive_a_kill(capsys: pytest.CaptureFixture[str]) -> None:
    raw, entry = get("tune.trials=4", "tune.max_params=10", "train.seed=7")
    space, folder = Space.of(raw, entry, entry.tune.space, ()), Path("runs/new").absolute()
    folder.mkdir(parents=True)
    starts = tuple(start.record() for start in choose_starts(space, entry, None))
    write_plan(
        folder, StudyPlan.of(entry.dump(), entry.tune.model_copy(update={"startup": 1}), space.describe()), "zoo"
    )
    write_budget(folder, entry.tune)
    ledger = Ledger(folder, entry, entry.tune, space, starts)
    for loss in (0.3, 0.1, 0.2, 0.4):
        finish(ledger, loss)
    more = ConfirmLedger(ledger)
    assert more.remaining() == 6 and more.spec.max_params is None
    first = finish(more, 0.11)
    assert (first.run.name, first.confirms) == ("t00001-seed8", (1, 8))
    assert more.begin() is not None
    started = more.entries[1]
    assert started.train.seed == 8 and first.config == ledger.trials[1].config
    more.close()  # killed
    more = ConfirmLedger(ledger)
    assert more.waiting() == [1] and more.remaining() == 5
    resumed = more.resume(1, process_died=False)
    assert resumed and more.entries[1].dump() == started.dump() and (resumed.epoch, resumed.attempts) == (0, 2)
    more.end(1, "done", metrics={"loss": 0.2}, parameters=100, seconds=1.0)
    while more.remaining():
        finish(more, 0.25)
    assert {trial.confirms for trial in more.study.trials} == {(n, seed) for n in (0, 1, 2) for seed in (8, 9)}
    more.close()
    ledger.spec = ledger.spec.model_copy(update={"trials": 5})
    finish(ledger, 0.05)  # the study grows
    more = ConfirmLedger(ledger)
    assert more.remaining() == 2 and more.pairs[-1][0] in (0, 1, 4)
    more.close()
    ledger.close()
    found = open_study(folder)
    assert len(found.confirmed) == 6 and len(found.trials) == 5
    assert main(["studies", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["studies"]
    kept = {each["number"]: (each["seeds"], each["values"]) for each in row["confirmed"]}
    assert kept[1] == ([7, 8, 9], [0.1, 0.11, 0.25])
    assert row["entry_trial"]["number"] == 0 and row["gain"]["best"] == 4
